// Package jwks gets an issuer's public keys: it reads JWK Sets (RFC 7517) with
// the rules of RFC 8725 §3.1, one algorithm per key and none that is weak, and
// keeps the set that the issuer's RFC 8414 metadata points to.
//
// The package must stay small for those who import the verifier: the standard
// library and go-jose only.
package jwks
