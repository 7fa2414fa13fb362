// Package metadata publishes what clients and resource servers need to find
// their way: authorization server metadata (RFC 8414, RFC 8705 §3.3 and §5) and
// the JWK set (RFC 7517 §5). Both are built from the configuration and the key
// ring, never from the request: a Host header changes nothing.
package metadata
