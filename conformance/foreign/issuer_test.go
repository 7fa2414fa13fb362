package foreign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource"
)

// otherAPI is an audience of the foreign issuer that is not ours.
const otherAPI = "https://other.example"

// meetIssuers lets our proxy and our library read the tokens of
// node-oidc-provider, signed with the algorithm it uses by default and with ours.
func meetIssuers(t *testing.T, page *table) {
	clause.Covers(t, "RFC8705-3-b", "RFC8705-3-c", "RFC8705-3-d")
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			dir := nodeDir(t)
			version := npmVersion(t, dir, "oidc-provider")
			f := startProvider(t, dir, algorithm)
			for name, api := range map[string]*harness.Dev{"certbound proxy": f.proxy(t), "package resource": f.library(t)} {
				t.Run(name, func(t *testing.T) {
					page.saw("node-oidc-provider, "+algorithm+", read by "+name, version, true, f.play(t, api)...)
				})
			}
		})
	}
}

// foreignIssuer is a running node-oidc-provider with three clients: "pki" and
// "self", whose tokens are bound, and "free", whose tokens are not.
type foreignIssuer struct {
	site      *harness.Site
	upstream  *api
	pki, self keystest.Pair
}

// api is the API behind our resource server.
type api struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header
}

func newAPI(t *testing.T) *api {
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { a.hit(r.Header) }))
	t.Cleanup(a.Close)
	return a
}

func (a *api) hit(header http.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, header)
}

// hits returns the headers of all requests so far.
func (a *api) hits() []http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

func startProvider(t *testing.T, dir, algorithm string) *foreignIssuer {
	t.Helper()
	f := &foreignIssuer{upstream: newAPI(t)}
	f.site = harness.NewSite(t, f.upstream.URL)
	f.pki, f.self = f.site.Client(t, "one"), keystest.SelfSigned(t)
	registration := func(id, method string, more map[string]any) map[string]any {
		r := map[string]any{
			"client_id": id, "token_endpoint_auth_method": method, "grant_types": []string{"client_credentials"},
			"redirect_uris": []string{}, "response_types": []string{}, "scope": "accounts:read accounts:write",
			"tls_client_certificate_bound_access_tokens": id != "free", "id_token_signed_response_alg": algorithm,
		}
		for name, value := range more {
			r[name] = value
		}
		return r
	}
	named := map[string]any{"tls_client_auth_san_dns": "one.test"}
	partners := f.site.Partners.WriteFile(t, f.site.Dir, "partners")
	config := f.site.WriteJSON(t, "provider.json", map[string]any{
		"cert": filepath.Join(f.site.Dir, "server.pem"), "key": filepath.Join(f.site.Dir, "server.key"),
		"clients_ca": partners, "alg": algorithm, "jwks": signingKeys(t, algorithm),
		"clients": []any{
			registration("pki", "tls_client_auth", named), registration("free", "tls_client_auth", named),
			registration("self", "self_signed_tls_client_auth", map[string]any{"jwks": map[string]any{"keys": []any{harness.CertificateJWK(f.self)}}}),
		},
	})
	s := start(t, environment(), "node", filepath.Join(dir, "provider.mjs"), config)
	s.wait(t, func() bool {
		for line := range strings.Lines(s.log.String()) {
			var ready struct{ Issuer string }
			if json.Unmarshal([]byte(line), &ready) == nil && ready.Issuer != "" {
				f.site.Issuer = ready.Issuer
			}
		}
		return strings.Contains(s.log.String(), `{"issuer":`)
	})
	return f
}

// signingKeys is a JWK Set with one private key, which the provider publishes the
// public half of.
func signingKeys(t *testing.T, algorithm string) any {
	t.Helper()
	var key crypto.Signer
	var err error
	if algorithm == "RS256" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "foreign", Use: "sig", Algorithm: algorithm}}}
}

// proxy is `certbound proxy` with that issuer and without a revocation feed, which
// no other issuer has.
func (f *foreignIssuer) proxy(t *testing.T) *harness.Dev {
	t.Helper()
	f.site.ProxyCfg["issuer"] = f.site.Issuer
	d := f.site.StartProxy(t)
	d.TokenEndpoint = f.site.Issuer + "/token"
	return d
}

// library is an API in Go with our verifier in front of it.
func (f *foreignIssuer) library(t *testing.T) *harness.Dev {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.site.CA.Pool()}}
	verifier, err := resource.New(resource.Config{
		Issuer: f.site.Issuer, Audience: f.site.Proxy, HTTPClient: &http.Client{Transport: transport},
		Logger: slog.New(slog.DiscardHandler), // the answers say what is compared
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(verifier.Require("accounts:read")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		token, _ := resource.FromContext(r.Context())
		f.upstream.hit(http.Header{"X-Certbound-Client": {token.ClientID}})
	})))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{f.site.CA.Server(t).TLS()},
		ClientAuth:   tls.RequestClientCert, SessionTicketsDisabled: true, MinVersion: tls.VersionTLS13,
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	d := f.site.Dev()
	d.Proxy, d.TokenEndpoint = server.URL, f.site.Issuer+"/token"
	return d
}

// play brings the issuer's tokens to our side in the right hands and in wrong
// ones, and returns the cells of the page.
func (f *foreignIssuer) play(t *testing.T, d *harness.Dev) []string {
	token := func(pair *keystest.Pair, client, audience string) string {
		return d.Token(t, pair, harness.TokenForm(client, "scope", "accounts:read", "resource", audience)).AccessToken
	}
	pki, self := token(&f.pki, "pki", f.site.Proxy), token(&f.self, "self", f.site.Proxy)
	before := len(f.upstream.hits())
	for client, use := range map[string]struct {
		pair  *keystest.Pair
		token string
	}{"pki": {&f.pki, pki}, "self": {&f.self, self}} {
		if resp := d.CallAPI(t, use.pair, use.token); resp.Status != http.StatusOK {
			t.Errorf("%s with its own token: %s", client, resp)
			continue
		}
		seen := f.upstream.hits()
		if got := seen[len(seen)-1].Get("X-Certbound-Client"); got != client {
			t.Errorf("the API was told that %q calls, not %q", got, client)
		}
	}
	if n := len(f.upstream.hits()) - before; n != 2 {
		t.Errorf("the API was reached %d times by two good calls", n)
	}
	other := f.site.Client(t, "two")
	opaque := d.Token(t, &f.pki, harness.TokenForm("pki", "scope", "accounts:read")).AccessToken
	before = len(f.upstream.hits())
	cells := []string{"200, 200"}
	for _, c := range []struct {
		name, token, reason string
		pair                *keystest.Pair
	}{
		{"another client's certificate of the same CA", pki, "thumbprint_mismatch", &other},
		{"no certificate", pki, "certificate_missing", nil},
		{"a token that is not bound", token(&f.pki, "free", f.site.Proxy), "token_unbound", &f.pki},
		{"a token for another API", token(&f.pki, "pki", otherAPI), "audience_mismatch", &f.pki},
		{"an opaque token", opaque, "token_malformed", &f.pki},
	} {
		resp := d.CallAPI(t, c.pair, c.token)
		if resp.Status != http.StatusUnauthorized || resp.Refusal(t).Reason != c.reason {
			t.Errorf("%s: %s, want 401 %s", c.name, resp, c.reason)
		}
		cells = append(cells, fmt.Sprintf("%d %s", resp.Status, c.reason))
	}
	// The self-signed client's certificate is as good as another's here: none.
	if resp := d.CallAPI(t, &f.pki, self); resp.Status != http.StatusUnauthorized || resp.Refusal(t).Reason != "thumbprint_mismatch" {
		t.Errorf("the self-signed client's token in other hands: %s", resp)
	}
	if n := len(f.upstream.hits()) - before; n != 0 {
		t.Errorf("the API was reached %d times by those who must be refused", n)
	}
	return cells
}
