// Package clientauth answers one question: who is the client? It implements
// mutual-TLS client authentication of RFC 8705 §2 for every endpoint of the
// authorization server, so that none of them can skip a step.
//
// The order is fixed: what the certificate shows by itself (missing, expired,
// weak), then which mechanism the request used (exactly one), then the
// registered client, then whether the certificate has been revoked here, then
// that client's registered method. What depends on the
// registration fails with one public answer.
//
// It knows no HTTP routes and writes no response.
package clientauth
