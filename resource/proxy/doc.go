// Package proxy is the resource server that stands in front of an API which
// knows nothing of RFC 8705: it routes by path and method, has every call checked
// by a [resource.Verifier], and forwards what passed with the verified identity.
// It owns the canonical path rule, the route table, header hygiene and the hop to
// the upstream. It does not check tokens or certificates itself, and it imports
// neither authz nor storage.
//
// # One path, one reading
//
// Policy is worth nothing when the proxy and the API read one path differently.
// [CheckPath] therefore accepts only paths that every reader of RFC 3986 reads
// alike, and anything else is answered with 400 before routing:
//
//   - it starts with one slash and has no empty segment, except a last one
//     ("/a/" is another path than "/a")
//   - no segment is "." or "..", however spelled
//   - raw characters are those of RFC 3986 §3.3 without ';', the path parameter
//     separator of some frameworks; so no backslash, control, space or raw UTF-8
//   - percent-escapes are valid, and none stands for an unreserved character
//     (RFC 3986 §2.3), a slash, backslash, ';', '?', '#' or a control character
//   - once decoded the path is UTF-8, and nothing in it looks like an escape:
//     a second decoding ("%252f", "%25u002f") must not find anything
//
// What may be spelled in two ways is left alone but read as one: "%40" and "@",
// "%c3" and "%C3" lead to the same route. The upstream gets the caller's bytes.
//
// The rule cannot know an upstream that folds letter case, Unicode forms or
// trailing blanks: where "/Accounts" and "/accounts" are one resource to the API,
// a parameter beside the literal ("/{name}") opens what the literal closes.
//
// Nor can it know one that takes the method from a query or form field
// ("_method=DELETE"): that must be switched off in the API.
//
// A query may be anything that net/url can parse, without a blank: HTTP/2 can say
// one, and a request line of HTTP/1.1 would end there for some readers.
//
// Targets in asterisk and authority form are refused. The absolute form of
// RFC 9112 §3.2.2 is accepted when it names https, no user and the host of the
// TLS handshake; net/http has then already replaced the Host header by it.
//
// # Routes
//
// A template is literals and whole-segment parameters: /accounts/{id}/items. The
// most specific template wins, segment by segment, a literal before a parameter,
// and it wins whole: a method that it does not list is 405 even where a laxer
// template lists it. Methods are compared as written; HEAD is not implied by GET.
//
// Hosts come before paths: a route that names the request's host wins over one of
// a wildcard, and that over one without hosts, if its template matches. A wildcard
// stands for exactly one label, so no two of them match one host. Whatever the
// table says, no route of it can be shadowed: two routes that match the same
// requests are an error of the configuration, and any other has requests of its
// own.
//
// Host is the caller's word. Once a route names hosts, a request whose Host is
// another name than the one in the TLS handshake is answered 421, in HTTP/1.1 as
// in HTTP/2; neither name chooses a TLS configuration, there is only one. A caller
// who sends no name in the handshake chooses freely, so a route without hosts is
// open by every name, and must not ask for less than its sister with hosts.
//
// # What the upstream sees
//
// Every inbound header that some server takes for an identity or as a reason to
// reread the request is removed in every spelling (see identity.go); Authorization
// is removed unless the route says otherwise. Request trailers pass when they were
// announced and mean nothing before the body. Then
// X-Certbound-Client, X-Certbound-Partner, X-Certbound-Scope, Client-Cert
// (RFC 9440), X-Request-Id and X-Forwarded-For, -Host and -Proto are set.
//
// X-Forwarded-Host is what the caller's Host header says, and APIs build links
// and cache keys of it. It is therefore set only when it is the name of the TLS
// handshake, for which our certificate answered; its port is the caller's word. A
// caller who names no server there (one that dials an IP address sends no SNI) or
// another one (where no route names hosts) is served all the same, but the API then
// gets no X-Forwarded-Host.
//
// Names that applications use for data of their own pass: X-User-Id and its like,
// X-Access-Token, X-Tenant-Id. An API behind this proxy must take the caller's
// identity from X-Certbound-* or Client-Cert, never from one of those.
//
// Answers pass unchanged and as they come, without Client-Cert (RFC 9440 §2.2),
// X-Certbound-* and the upstream's own X-Request-Id; ours takes its place.
//
// # What lasts
//
// What let a request through is true of a moment. As long as it is being served,
// it is looked at again every Config.Recheck: the certificate's period, the
// revocations, how old they are, and the token's expiry. A request that has no
// answer yet is then answered with the reason; an event stream ends as if the
// upstream had closed it; any other answer is broken off, so that nobody takes the
// part for the whole; a WebSocket's connection is closed without a close frame,
// which a client reports as 1006. Each writes one line "stream_ended".
//
// The token's expiry alone does not break off a plain transfer, unless the route
// says EndAtExpiry: a token lives for minutes, a download may take longer.
//
// A route may let WebSockets through, opened over HTTP/1.1 (RFC 6455); clients
// that speak HTTP/2 open a connection of their own for them. Any other Upgrade,
// h2c included, is left out, as RFC 9110 §7.8 allows, and a 101 nobody asked for
// is answered 502. Requests that send and receive at once need HTTP/2: net/http's
// HTTP/1.1 reads the whole request before it answers.
package proxy
