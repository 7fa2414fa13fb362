package conformance

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// TestNobodyIsSentElsewhere: no answer redirects, and none lets a page of another
// origin read it.
func TestNobodyIsSentElsewhere(t *testing.T) {
	clause.Covers(t, "RFC9700-2-6-c", "RFC9700-4-11-2")
	d, acme := victim(t)
	const evil = "https://evil.test"
	query := "?redirect_uri=" + evil + "&url=" + evil + "&next=//evil.test"
	var addresses []string
	for _, path := range []string{"/", "/oauth2/authorize", "/login", "//evil.test", "/%2f%2fevil.test", metadataPath, "/oauth2/token/.."} {
		addresses = append(addresses, d.Issuer+path, d.Proxy+path)
	}
	addresses = append(addresses, d.TokenEndpoint, d.Introspection, d.Revocation, d.JWKSURI, d.Proxy+"/accounts", d.Admin+"/admin/v1/clients")
	for _, address := range addresses {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			t.Run(method+" "+address, func(t *testing.T) {
				response := d.Send(t, harness.Request{Method: method, URL: address + query, Pair: &acme, Body: harness.TokenForm("acme-billing").Encode(), Header: http.Header{
					"Content-Type": {harness.FormType}, "Origin": {evil}, "Referer": {evil},
					"Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization"},
				}})
				if response.Status >= 300 && response.Status < 400 || response.Header.Get("Location") != "" {
					t.Errorf("redirected to %q: %s", response.Header.Get("Location"), response)
				}
				for name := range response.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("the answer has %s: %s", name, response.Header.Get(name))
					}
				}
			})
		}
	}
}

// TestAPIBehindMutualTLS: the API lets nobody in but the proxy, and the proxy
// speaks to no other API.
func TestAPIBehindMutualTLS(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC9700-4-13-b")
	inside := keystest.NewCA(t, "inside")
	start := func(ca *keystest.CA) *httptest.Server {
		api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewEncoder(w).Encode(r.TLS.PeerCertificates[0].Subject.CommonName) // to a caller that is gone
		}))
		api.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(t).TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: inside.Pool()}
		api.StartTLS()
		t.Cleanup(api.Close)
		return api
	}
	for name, tt := range map[string]struct {
		api    *httptest.Server
		shown  keystest.Pair
		status int
	}{
		"both known":     {start(inside), inside.Client(t, keystest.CommonName("proxy")), http.StatusOK},
		"another API":    {start(keystest.NewCA(t, "outside")), inside.Client(t, keystest.CommonName("proxy")), http.StatusBadGateway},
		"another proxy":  {start(inside), keystest.NewCA(t, "outside").Client(t), http.StatusBadGateway},
		"expired at API": {start(inside), inside.Client(t, keystest.Expired()), http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			site := harness.NewSite(t, "http://127.0.0.1:1")
			tt.shown.WriteFiles(t, site.Dir, "proxy-client")
			site.ProxyCfg["upstreams"] = []map[string]any{{"name": "api", "url": tt.api.URL, "tls": map[string]any{
				"ca": filepath.Base(inside.WriteFile(t, site.Dir, "inside")), "certificate": "proxy-client.pem", "key": "proxy-client.key",
			}}}
			site.ProxyCfg["routes"] = []map[string]any{route("/accounts", "api")}
			d := site.Start(t)
			one := site.Client(t, "one")
			response := d.CallAPI(t, &one, d.Token(t, &one, harness.TokenForm("one", "scope", "accounts:read")).AccessToken)
			if response.Status != tt.status || tt.status == http.StatusOK && strings.TrimSpace(string(response.Body)) != `"proxy"` {
				t.Errorf("%s", response)
			}
		})
	}
}
