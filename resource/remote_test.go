package resource_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// TestDiscoveredKeys is the default configuration against a real HTTPS issuer:
// keys through its metadata, one fetch of each, and its certificate checked.
func TestDiscoveredKeys(t *testing.T) {
	b := newBench(t)
	var fetches atomic.Int64
	mux := http.NewServeMux()
	issuer := httptest.NewTLSServer(mux)
	t.Cleanup(issuer.Close)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server/tenant", func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL + "/tenant", "jwks_uri": issuer.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: b.keys})
	})
	config := resource.Config{
		Issuer: issuer.URL + "/tenant", Audience: audience, HTTPClient: issuer.Client(),
		Clock: func() time.Time { return b.now }, Logger: slog.New(slog.DiscardHandler),
	}
	token := b.sign(b.header().text(), b.claims(b.acme).with("iss", config.Issuer).text())
	verify := func(token string) decision.Reason {
		t.Helper()
		v := b.verifier
		_, err := v.VerifyRequest(request(token, &b.acme))
		return reason(t, err)
	}
	var err error
	if b.verifier, err = resource.New(config); err != nil {
		t.Fatal(err)
	}
	if fetches.Load() != 0 {
		t.Error("New fetched; a resource server may start before its issuer")
	}
	b.twins(t, token, b.acme)
	for range 60 {
		made := b.sign(b.header().with("kid", decision.NewRequestID(time.Now())).text(), b.claims(b.acme).with("iss", config.Issuer).text())
		if got := verify(made); got != decision.KeyUnknown {
			t.Fatalf("a made-up kid: %q", got)
		}
	}
	if n := fetches.Load(); n > 5 {
		t.Errorf("%d fetches", n)
	}
	issuer.Close()
	b.now = b.now.Add(2 * time.Minute)
	if got := verify(token); got != "" {
		t.Errorf("issuer down, keys known: %q", got)
	}
	config.HTTPClient = nil // the system's roots do not know the issuer
	if b.verifier, err = resource.New(config); err != nil {
		t.Fatal(err)
	}
	if got := verify(token); got != decision.IssuerKeysUnavailable {
		t.Errorf("no keys to be had: %q", got)
	}
}
