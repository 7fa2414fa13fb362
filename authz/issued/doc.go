// Package issued recognises the access tokens this authorization server has
// issued (RFC 9068), for the endpoints that are told about one: introspection
// and revocation. It verifies with the ring's own public keys, without network.
//
// It says whether a token is ours and not over. Whether it was revoked, and who
// may ask, is the endpoints' business: it reads no database.
package issued
