// Package introspection is a client of an authorization server's introspection
// endpoint (RFC 7662) over mutual TLS: it asks about one token at a time, as the
// resource server that the authorization server knows by its certificate.
//
// Put a [Client] into resource.Config.Introspection, and say per route which
// requests ask:
//
//	verifier.Enforce(resource.Policy{AllOf: []string{"payments:write"}, Introspect: true})
//
// or, where a router of one's own chooses the route, as a proxy does,
//
//	token, err := verifier.VerifyPolicy(r, resource.Policy{AllOf: route.Scopes, Introspect: route.Introspect})
//
// with verifier.CheckPolicy at the start, which says so when there is nobody to
// ask.
//
// A client remembers nothing: a token is good for not a moment longer than its
// issuer says. Answers are read strictly, bounded in size and time, and anything
// but a clear answer is an error, which the verifier turns into 503
// introspection_unavailable. What the answer says is enforced by the verifier:
// issuer, audience, times, and the confirmation against the certificate of the
// request (RFC 8705 §3.2).
//
// Signed answers (RFC 9701) are neither asked for nor read.
//
// The package must stay small: the standard library, go-jose's JSON reader and
// this module's leaves.
package introspection
