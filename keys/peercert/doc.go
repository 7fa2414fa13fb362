// Package peercert holds the certificate a peer proved possession of, and what
// can be said of that certificate alone: is it there, is it now valid, are its
// key and signature strong enough (RFC 8705 §3, RFC 5280 §4.1.2.5, RFC 9325
// §4.5). Who issued it is package trust's question.
//
// A [Peer] is made by one constructor per source, so that a certificate's origin
// is decided where a listener is set up and never by looking at a request. TLS is
// the only source so far.
//
// Every user of the verifier library links this package: standard library and
// package thumbprint only.
package peercert
