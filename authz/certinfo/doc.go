// Package certinfo says of a client certificate, or of a request for one, what there
// is to know before it is registered: what it is called by each of the five subject
// values of RFC 8705 §2.1.2, its thumbprint and what is often taken for it, and what
// speaks against it. Command line and admin API share its judgement. It shows no
// private key, asks nobody and changes nothing.
package certinfo
