// Package dn reads distinguished names from the two places certbound meets them
// and compares them as names, never as strings: the registered
// tls_client_auth_subject_dn (RFC 8705 §2.1.2), an RFC 4514 string, and the
// subject of a certificate, DER.
//
// Two names are equal when they have the same RDNs in the same order (RFC 4517
// §4.2.15). An RDN is a set; attribute types are compared by OID; DirectoryString
// and IA5String values are prepared by RFC 4518 and compared without case, as
// RFC 5280 §7.1 asks; a value of any other type is compared by its DER. Where an
// RFC leaves room, this package refuses: a name it does not understand matches
// nothing.
//
// It depends on nothing else of certbound. It must not be imported by
// keys/peercert or resource, which stay free of the packages it links.
package dn
