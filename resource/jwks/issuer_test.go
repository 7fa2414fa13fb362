package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/jwks"
)

const (
	issuerURL   = "https://as.example/tenant"
	metadataURL = "https://as.example/.well-known/oauth-authorization-server/tenant"
	keysURL     = "https://keys.example/jwks.json"
)

// issuer plays the network between a Remote and its issuer: it answers in
// memory, counts, and fails on demand. It is the clock, too.
type issuer struct {
	mu       sync.Mutex
	now      time.Time
	metadata string
	keys     string
	header   http.Header   // of the key set
	down     bool          // nothing answers
	gate     chan struct{} // when set, the key set waits for it
	counts   map[string]int
	answer   func(*http.Request) *http.Response // replaces everything when set
}

func newIssuer() *issuer {
	return &issuer{
		now:      time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
		metadata: `{"issuer":"` + issuerURL + `","jwks_uri":"` + keysURL + `"}`,
		keys:     `{"keys":[]}`, header: http.Header{}, counts: map[string]int{},
	}
}

func (i *issuer) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *issuer) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *issuer) pass(d time.Duration) { i.change(func() { i.now = i.now.Add(d) }) }

func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.counts[keysURL]
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.counts[r.URL.String()]++
	gate, down, answer := i.gate, i.down, i.answer
	metadata, keys, header := i.metadata, i.keys, i.header.Clone()
	i.mu.Unlock()
	if answer != nil {
		return answer(r), nil
	}
	if gate != nil && r.URL.String() == keysURL {
		select {
		case <-gate:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	switch {
	case down:
		return nil, errors.New("connection refused")
	case r.URL.String() == metadataURL:
		return respond(200, metadata, http.Header{}), nil
	case r.URL.String() == keysURL:
		return respond(200, keys, header), nil
	}
	return respond(404, "", http.Header{}), nil
}

func respond(status int, body string, h http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func (i *issuer) remote(t *testing.T) *jwks.Remote {
	t.Helper()
	r, err := jwks.New(jwks.Config{
		Issuer: issuerURL, HTTPClient: &http.Client{Transport: i}, Clock: i.clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// publish makes the issuer's set one fresh key for each kid.
func (i *issuer) publish(t *testing.T, kids ...string) {
	t.Helper()
	set := keySet(t, kids...)
	i.change(func() { i.keys = set })
}

func keySet(t *testing.T, kids ...string) string {
	t.Helper()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, kid := range kids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: kid, Algorithm: "ES256", Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expect asks for kid and compares: found, none, or unavailable.
func expect(t *testing.T, r *jwks.Remote, kid, want string) {
	t.Helper()
	keys, err := r.Keys(context.Background(), kid)
	got := "none"
	switch {
	case errors.Is(err, jwks.ErrUnavailable):
		got = "unavailable"
	case err != nil:
		got = fmt.Sprintf("error %v", err)
	case len(keys) > 0:
		got = "found"
	}
	if got != want {
		t.Errorf("%s: got %s (%v), want %s", kid, got, err, want)
	}
}
