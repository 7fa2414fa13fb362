package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

var (
	listeningOn = regexp.MustCompile(`listening on (https://\S+)`)
)

// startAccountsAPI builds and runs the example API, which is the library without
// the proxy, and returns its address.
func startAccountsAPI(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts-api")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "github.com/certbound/certbound/examples/accounts-api")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as certbound: its packages are compiled
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/accounts-api: %v\n%s", err, out)
	}
	p := harness.StartProgram(t, &harness.Log{}, path, args...)
	deadline := time.After(patience)
	for {
		text, changed := p.Stdout.Snapshot()
		if found := listeningOn.FindStringSubmatch(text); found != nil {
			return found[1]
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("accounts-api does not listen:\n%s", p.Stderr)
		}
	}
}

// TestLibraryAsksTheAuthorizationServer: an API that introspects knows what the
// authorization server knows at that moment, and a route of it that does not goes
// by the token.
func TestLibraryAsksTheAuthorizationServer(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	server := d.Path(filepath.Join("pki", "server"))
	rs := d.RSClient
	api := startAccountsAPI(t, "-issuer", d.Issuer, "-audience", d.Audience, "-ca", d.Path(d.CA), "-cert", server+".pem", "-key", server+".key",
		"-client-id", rs.ClientID, "-client-cert", d.Path(rs.Cert), "-client-key", d.Path(rs.Key))
	acme, mallory := d.Pair(t, "acme-billing"), d.Pair(t, "mallory-app")
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	call := func(pair *keystest.Pair, path string) string {
		t.Helper()
		response := d.Send(t, harness.Request{Method: http.MethodGet, URL: api + path, Pair: pair, Header: http.Header{"Authorization": {"Bearer " + token}}})
		if response.Status == http.StatusOK {
			return "served"
		}
		return response.Refusal(t).Reason
	}
	for _, path := range []string{"/accounts", "/payments"} {
		for name, tt := range map[string]struct {
			pair *keystest.Pair
			want string
		}{"owner": {&acme, "served"}, "another partner": {&mallory, "thumbprint_mismatch"}, "nobody": {nil, "certificate_missing"}} {
			if got := call(tt.pair, path); got != tt.want {
				t.Errorf("%s by %s: %s, want %s", path, name, got, tt.want)
			}
		}
	}
	if response := form(t, d, d.Revocation, &acme, url.Values{"client_id": {"acme-billing"}, "token": {token}}); response.Status != http.StatusOK {
		t.Fatalf("revocation: %s", response)
	}
	if got := call(&acme, "/payments"); got != "token_inactive" {
		t.Errorf("revoked a moment ago: %s", got)
	}
	if got := call(&acme, "/accounts"); got != "served" {
		t.Errorf("a route that does not ask: %s", got)
	}
}

// scripted is an authorization server that says of a good token what the test
// wants.
type scripted struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	answer map[string]any // nil: it does not answer
}

func newScripted(t *testing.T, ca *keystest.CA) *scripted {
	t.Helper()
	s := &scripted{key: forge.NewKey()}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{ca.Server(t).TLS()}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var out any
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		out = map[string]any{"issuer": s.URL, "jwks_uri": s.URL + "/jwks", "introspection_endpoint": s.URL + "/introspect"}
	case "/jwks":
		var key map[string]any
		if err := json.Unmarshal([]byte(forge.PublicJWK(s.key)), &key); err != nil {
			panic(err)
		}
		key["kid"] = "k1"
		out = map[string]any{"keys": []any{key}}
	case "/introspect":
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		if answer == nil || len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		out = answer
	}
	_ = json.NewEncoder(w).Encode(out) // to a caller that is gone
}

// TestAnswerOfIntrospectionIsHeldToTheCertificate: the issuer's signature and the
// caller's certificate are good in every case; what differs is what the issuer
// says about the token when it is asked.
func TestAnswerOfIntrospectionIsHeldToTheCertificate(t *testing.T) {
	clause.Covers(t, "RFC8705-3-2-b")
	const audience = "https://accounts.conformance.test"
	d := harness.Shared(t) // for its HTTP client only
	dir, ca := t.TempDir(), keystest.NewCA(t, "scripted servers")
	issuer := newScripted(t, ca)
	ca.WriteFile(t, dir, "ca")
	ca.Server(t).WriteFiles(t, dir, "server")
	partners := keystest.NewCA(t, "scripted partners")
	partners.Client(t).WriteFiles(t, dir, "rs")
	owner, other := partners.Client(t, keystest.CommonName("owner")), partners.Client(t, keystest.CommonName("other"))
	in := func(name string) string { return filepath.Join(dir, name) }
	api := startAccountsAPI(t, "-issuer", issuer.URL, "-audience", audience, "-ca", in("ca.pem"), "-cert", in("server.pem"), "-key", in("server.key"),
		"-client-id", "rs", "-client-cert", in("rs.pem"), "-client-key", in("rs.key"))

	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer.URL, "sub": "c", "client_id": "c", "aud": audience, "jti": "j", "iat": now, "exp": now + 300, "gen": 1,
		"scope": "accounts:read", "cnf": map[string]any{"x5t#S256": thumbprintOf(owner)},
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token := forge.ES256(issuer.key, `{"alg":"ES256","typ":"at+jwt","kid":"k1"}`, string(payload))
	says := func(change map[string]any) map[string]any {
		answer := map[string]any{"active": true}
		for name, value := range claims {
			answer[name] = value
		}
		for name, value := range change {
			if answer[name] = value; value == nil {
				delete(answer, name)
			}
		}
		return answer
	}
	for _, tt := range []struct {
		name   string
		answer map[string]any
		want   string
	}{
		{"what the token says", says(nil), "200"},
		{"another certificate", says(map[string]any{"cnf": map[string]any{"x5t#S256": thumbprintOf(other)}}), "401 thumbprint_mismatch"},
		{"no certificate", says(map[string]any{"cnf": nil}), "401 token_unbound"},
		{"another method", says(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "401 token_unbound"},
		{"two methods", says(map[string]any{"cnf": map[string]any{"x5t#S256": thumbprintOf(owner), "jkt": "x"}}), "503 introspection_unavailable"},
		{"not active", map[string]any{"active": false}, "401 token_inactive"},
		{"active and nothing else", map[string]any{"active": true}, "503 introspection_unavailable"},
		{"another API", says(map[string]any{"aud": audience + "/"}), "401 audience_mismatch"},
		{"another issuer", says(map[string]any{"iss": issuer.URL + "/"}), "401 issuer_mismatch"},
		{"expired", says(map[string]any{"exp": now - 1}), "401 token_expired"},
		{"no scope", says(map[string]any{"scope": nil}), "403 scope_insufficient"},
		{"nothing", nil, "503 introspection_unavailable"},
		{"what the token says, again", says(nil), "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issuer.mu.Lock()
			issuer.answer = tt.answer
			issuer.mu.Unlock()
			response := d.Send(t, harness.Request{
				Method: http.MethodGet, URL: api + "/payments", Pair: &owner, Header: http.Header{"Authorization": {"Bearer " + token}},
				TLS: func(c *tls.Config) { c.RootCAs = ca.Pool() },
			})
			got := fmt.Sprint(response.Status)
			if response.Status != http.StatusOK {
				got += " " + response.Refusal(t).Reason
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
