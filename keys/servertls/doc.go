// Package servertls owns the TLS side of every listener: the server's own
// certificate, the one tls.Config of a listener, the limits of the HTTP server
// behind it, and what a failed handshake looks like in the log (RFC 8705 §2 and
// §6, RFC 9325 §3 and §4).
//
// A client certificate is asked for and never verified here: self-signed clients
// must get through the handshake (RFC 8705 §6.1), and what a handshake verifies
// is skipped when a session is resumed. Each request is judged by itself, in
// packages peercert and trust. The package must not depend on authz, resource or
// storage.
package servertls
