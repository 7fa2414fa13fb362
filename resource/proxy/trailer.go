package proxy

import (
	"net/http"
	"strings"
)

// forwardedTrailers returns the trailers that a request announced and that may go
// on, without values. Some servers merge trailers into the header, so whatever
// the header may not say, and whatever frames, routes or authenticates a request
// (RFC 9110 §6.5.1), stays here; so does what was not announced.
func forwardedTrailers(announced http.Header) http.Header {
	var out http.Header
	for name := range announced {
		if isIdentityHeader(name) || heldTrailers[strings.ToLower(name)] {
			continue
		}
		if out == nil {
			out = make(http.Header, len(announced))
		}
		out[name] = nil
	}
	return out
}

// heldTrailers are fields that have a meaning before the body only.
var heldTrailers = map[string]bool{
	"authorization": true, "proxy-authorization": true, "cookie": true, "host": true, "date": true,
	"connection": true, "keep-alive": true, "proxy-connection": true, "te": true, "upgrade": true, "trailer": true,
	"expect": true, "range": true, "max-forwards": true, "cache-control": true, "pragma": true,
	"if-match": true, "if-none-match": true, "if-modified-since": true, "if-unmodified-since": true, "if-range": true,
	"content-type": true, "content-encoding": true, "content-range": true, "content-location": true,
}

// trailers are the trailers that go to the upstream; nil for a request without a
// body.
func (b *pacedBody) trailers() http.Header {
	if b == nil {
		return nil
	}
	return b.out
}
