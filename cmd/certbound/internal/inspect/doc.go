// Package inspect reads files of certificates for people: what a certificate is
// called by each of the five subject values of RFC 8705 §2.1.2, its thumbprint and
// what is often taken for it, and what speaks against it; and whether a server with
// a given trust bundle and registration would accept it, which it asks the code of
// the server. It prints no private key and changes nothing.
package inspect
