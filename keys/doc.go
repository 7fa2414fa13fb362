// Package keys owns the keys that tokens are signed with: a [Ring] of them, at
// rest in envelopes of a [Sealer], public as a JWK set (RFC 7517) under kids that
// are RFC 7638 thumbprints. Signatures are compact JWS (RFC 7515) by go-jose.
//
// At rest each private key is encrypted with a data key of its own, which is
// wrapped with a key-encryption key that the database never holds. What an
// envelope may be opened for is part of it: table, row and purpose.
//
// The package declares the small [Store] it needs. It must not depend on the
// storage, authz or resource packages.
package keys
