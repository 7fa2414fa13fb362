// Package tokenclient is the client side of the token endpoint for programs in
// Go: it authenticates by mutual TLS and gets certificate-bound access tokens
// (RFC 8705 §2, §3; RFC 6749 §4.4).
//
// A [Client] asks once, with one certificate. A [Source] keeps a token for a
// program that calls an API: it asks before the token expires, once for all who
// wait, and follows the certificate. A token is bound to the very certificate it
// was asked for with, so a renewed certificate means a new token and new
// connections, even where the key is the old one. [Source.Transport] is the
// http.RoundTripper that does all of it:
//
//	source, err := tokenclient.NewSource(tokenclient.SourceConfig{
//		Config: tokenclient.Config{Issuer: "https://as.example", ClientID: "acme-billing"},
//		Request: tokenclient.Request{Resource: "https://api.example"},
//		Certificates: tokenclient.NewFiles("client.pem", "client.key"),
//	})
//
// It depends on the standard library and keys/thumbprint only.
package tokenclient
