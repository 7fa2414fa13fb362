// Package resource is the resource server's half of certbound: it decides
// whether an API request carries a valid access token in the hands it was issued
// to. Put [Verifier.Require] or [Verifier.Middleware] around a handler, or call
// [Verifier.VerifyRequest] and ask the returned [Token].
//
// It implements the verification of RFC 9068 §4, the certificate binding of
// RFC 8705 §3, and bearer usage and challenges of RFC 6750, with the rules of
// RFC 8725. Everything is checked on every request and nothing is remembered by
// connection: connections outlive expiry, and several partners' tokens may
// arrive over one.
//
// What the issuer has revoked is known by a [Revocations], normally a follower of
// its feed (package revokefeed). It is asked on every request too.
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
