// Package resource is the resource server's half of certbound: it decides
// whether an API request carries a valid access token in the hands it was issued
// to. Put [Verifier.Require] or [Verifier.Middleware] around a handler, or call
// [Verifier.VerifyRequest] and ask the returned [Token].
//
// It implements the verification of RFC 9068 §4, the certificate binding of
// RFC 8705 §3, and bearer usage and challenges of RFC 6750, with the rules of
// RFC 8725. Everything is checked on every request: expiry, issuer, audience,
// type, binding, revocation and scopes. Two things are remembered, neither of them
// a verdict: that the signature of a token was good, with the key that verified
// it, so that the result dies with the key ([Config.CacheSize]); and what the
// certificate of a connection is, so that its thumbprint is computed once. A token
// that has been seen before costs about a microsecond and no allocation.
//
// What the issuer has revoked is known by a [Revocations], normally a follower of
// its feed (package revokefeed). Where a [Policy] wants it, the issuer is asked
// about each token (package introspection), and its answer is held to the same
// rules as the token. Several issuers may be trusted side by side, see [Issuer].
// For gRPC there is package grpcverifier.
//
// The certificate comes from the TLS connection (r.TLS), which must be served
// with tls.RequestClientCert or stricter. No CA is needed here: a token names
// the one certificate it may be used with, and the authorization server decided
// who may hold that certificate.
//
// The package must stay small for those who import it: the standard library,
// go-jose, and this module's leaves (accesstoken, decision, jwks, keys/peercert,
// keys/thumbprint). It must not import authz, storage or anything they need.
package resource
