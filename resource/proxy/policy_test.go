package proxy_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/proxy"
)

// TestAdmission: what a route asks beyond the scopes that are all needed.
func TestAdmission(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
		route := func(path string, change func(*proxy.Route)) {
			r := proxy.Route{Path: path, Methods: []string{"GET"}, Scopes: []string{"a"}, Upstream: w.url}
			change(&r)
			c.Routes = append(c.Routes, r)
		}
		c.Routes = nil
		route("/any", func(r *proxy.Route) { r.Scopes, r.AnyOfScopes = nil, []string{"b", "c"} })
		route("/both", func(r *proxy.Route) { r.AnyOfScopes = []string{"b", "c"} })
		route("/partner", func(r *proxy.Route) { r.Partners = []string{"globex", "acme"} })
		route("/clients", func(r *proxy.Route) { r.Clients = []string{"acme-billing"} })
		route("/narrow", func(r *proxy.Route) { r.Partners, r.Clients = []string{"acme"}, []string{"acme-billing"} })
	})
	tests := []struct {
		path, scopes, partner, client string
		status                        int
		reason                        decision.Reason
		needed                        string
	}{
		{"/any", "b", "acme", "x", 200, "", ""},
		{"/any", "a c", "acme", "x", 200, "", ""},
		{"/any", "a", "acme", "x", 403, "scope_insufficient", "b c"},
		{"/both", "a b", "acme", "x", 200, "", ""},
		{"/both", "b", "acme", "x", 403, "scope_insufficient", "a b c"},
		{"/both", "a", "acme", "x", 403, "scope_insufficient", "a b c"},
		{"/partner", "a", "acme", "x", 200, "", ""},
		{"/partner", "a", "Acme", "x", 403, "client_not_allowed", ""},
		{"/partner", "a", "", "acme", 403, "client_not_allowed", ""},
		{"/partner", "b", "evil", "x", 403, "scope_insufficient", "a"},
		{"/clients", "a", "", "acme-billing", 200, "", ""},
		{"/clients", "a", "acme", "acme-edge", 403, "client_not_allowed", ""},
		{"/narrow", "a", "acme", "acme-billing", 200, "", ""},
		{"/narrow", "a", "globex", "acme-billing", 403, "client_not_allowed", ""},
		{"/narrow", "a", "acme", "acme-edge", 403, "client_not_allowed", ""},
	}
	for _, tt := range tests {
		w.hits.Store(0)
		token := w.token(t, func(c *accesstoken.Claims) {
			c.Scopes, c.Partner, c.ClientID = strings.Fields(tt.scopes), tt.partner, tt.client
		})
		a := w.send(t, w.acme, "GET "+tt.path+" HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+token+"\n\n")
		if tt.status == 200 {
			if line := w.log.one(t); a.StatusCode != 200 || line["outcome"] != "allow" {
				t.Errorf("%v: %d %s", tt, a.StatusCode, a.body)
			}
			continue
		}
		line := w.expectRefusal(t, a, tt.status, tt.reason)
		challenge := a.Header.Get("WWW-Authenticate")
		if _, scope, _ := strings.Cut(challenge, `scope="`); strings.TrimSuffix(scope, `"`) != tt.needed {
			t.Errorf("%v: challenge %s", tt, challenge)
		}
		if tt.reason == "client_not_allowed" && (line["expected"] == nil || line["client_id"] != tt.client) {
			t.Errorf("%v: logged %v", tt, line)
		}
	}
}

// unboundToken is a good token without a confirmation.
func (w *world) unboundToken(t testing.TB) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(w.token(t), []jose.SignatureAlgorithm{jose.ES256})
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims))
	delete(claims, "cnf")
	payload, err := json.Marshal(claims)
	must(t, err)
	return w.sign(t, payload)
}

// TestUnbound: a route may allow tokens without cnf; that opens nothing for those
// that have one.
func TestUnbound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
		c.Routes = append(c.Routes, proxy.Route{Path: "/open", Methods: []string{"GET"}, Scopes: []string{"accounts:read"}, InsecureAllowUnbound: true, Upstream: w.url})
	})
	unbound, bound := w.unboundToken(t), w.token(t)
	for _, tt := range []struct {
		name, path, token string
		pair              keystest.Pair
		status            int
		reason            decision.Reason
	}{
		{"unbound where allowed", "/open", unbound, keystest.Pair{}, 200, ""},
		{"unbound with a certificate", "/open", unbound, w.mallory, 200, ""},
		{"unbound elsewhere", "/accounts", unbound, w.acme, 401, decision.TokenUnbound},
		{"bound, its certificate", "/open", bound, w.acme, 200, ""},
		{"bound, no certificate", "/open", bound, keystest.Pair{}, 401, decision.CertificateMissing},
		{"bound, another certificate", "/open", bound, w.mallory, 401, decision.ThumbprintMismatch},
	} {
		w.hits.Store(0)
		a := w.send(t, tt.pair, "GET "+tt.path+" HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+tt.token+"\n\n")
		t.Run(tt.name, func(t *testing.T) {
			if tt.status != 200 {
				w.expectRefusal(t, a, tt.status, tt.reason)
				return
			}
			w.log.one(t)
			if a.StatusCode != 200 || strings.Join(w.values("X-Certbound-Client"), "&") != "acme-billing" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
}
