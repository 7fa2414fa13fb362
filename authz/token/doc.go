// Package token is the token endpoint (RFC 6749 §3.2, §4.4; RFC 8705 §3): a
// numbered pipeline from the form to the signed, certificate-bound access token
// of RFC 9068. It owns parsing order, target and scope resolution, the lifetime
// rule and the answer; who the client is, package clientauth decides.
package token
