// Package introspect is the introspection endpoint (RFC 7662): it tells whether
// an access token of ours is good at this moment. Besides what the token itself
// shows, that is whether it, its key, its certificate or its client has been
// revoked or disabled, read from the database on every request.
//
// A caller is authenticated as at the token endpoint, and learns about a token
// if it is a resource server of the token's audience or the token's own client
// (design rule 14). In every other case the answer is {"active":false}, octet
// for octet the same (RFC 7662 §2.2, §4).
//
// Signed answers (RFC 9701) are not offered.
package introspect
