package proxy_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/proxy"
)

// TestMetadata: RFC 9728 §3, found by the address in the challenge, without a token.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for resource, path := range map[string]string{
		"https://api.test":           "/.well-known/oauth-protected-resource",
		"https://api.test/":          "/.well-known/oauth-protected-resource",
		"https://api.test:8444/v1/":  "/.well-known/oauth-protected-resource/v1",
		"https://api.test/caf%C3%A9": "/.well-known/oauth-protected-resource/caf%C3%A9",
	} {
		w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) {
			c.Metadata = &proxy.Metadata{Resource: resource, AuthorizationServers: []string{issuer}}
			c.Routes[0].AnyOfScopes = []string{"x"}
		})
		for _, request := range []string{"GET /accounts HTTP/1.1\nHost: h\n\n", "GET /accounts/secret HTTP/1.1\nHost: h\nAuthorization: Bearer {token}\n\n"} {
			challenge := w.send(t, w.acme, request).Header.Get("WWW-Authenticate")
			host, _, _ := strings.Cut(strings.TrimPrefix(resource, "https://"), "/")
			if !strings.Contains(challenge, `, resource_metadata="https://`+host+path+`"`) {
				t.Errorf("%s: challenge %s", resource, challenge)
			}
		}
		w.log.decisions(t)
		a := w.send(t, w.mallory, "GET "+path+" HTTP/1.1\nHost: api.test\n\n")
		var got map[string]any
		must(t, json.Unmarshal(a.body, &got))
		want := map[string]any{
			"resource": resource, "authorization_servers": []any{issuer}, "bearer_methods_supported": []any{"header"},
			"scopes_supported": []any{"accounts:read", "accounts:write", "admin", "x"}, "tls_client_certificate_bound_access_tokens": true,
		}
		if diff := cmp.Diff(want, got); diff != "" || a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %v %s", a.StatusCode, a.Header, diff)
		}
		if a := w.send(t, w.mallory, "HEAD "+path+" HTTP/1.1\nHost: api.test\n\n"); a.StatusCode != 200 {
			t.Errorf("HEAD: %d", a.StatusCode)
		}
		w.expectRefusal(t, w.send(t, w.mallory, "POST "+path+" HTTP/1.1\nHost: api.test\nContent-Length: 0\n\n"), 404, "route_unknown")
		w.expectRefusal(t, w.send(t, w.mallory, "GET "+path+"/more HTTP/1.1\nHost: api.test\n\n"), 404, "route_unknown")
	}
}

func TestNoMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.expectRefusal(t, w.call(t, "GET", "/.well-known/oauth-protected-resource"), 404, "route_unknown")
}

func TestMetadataFaults(t *testing.T) {
	t.Parallel()
	verifier := newWorld(t).verifier
	for _, tt := range []struct {
		metadata proxy.Metadata
		path     string
		want     string
	}{
		{proxy.Metadata{Resource: "accounts"}, "/", `proxy: resource "accounts" is not an https URL without user, query and fragment`},
		{proxy.Metadata{Resource: "https://a/?x", AuthorizationServers: []string{issuer}}, "/", `proxy: resource "https://a/?x" is not an https URL without user, query and fragment`},
		{proxy.Metadata{Resource: "https://a/b/../c", AuthorizationServers: []string{issuer}}, "/", "proxy: path has a dot segment"},
		{proxy.Metadata{Resource: "https://a"}, "/", "proxy: metadata names no authorization server"},
		{proxy.Metadata{Resource: "https://a", AuthorizationServers: []string{issuer}}, "/.well-known/oauth-protected-resource/{x}", "proxy: routes[0].path: the proxy itself answers here, with the protected resource metadata (RFC 9728)"},
	} {
		_, err := proxy.New(proxy.Config{Verifier: verifier, Routes: []proxy.Route{good(t, tt.path)}, Metadata: &tt.metadata})
		if err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}
