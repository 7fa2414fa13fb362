package revokefeed_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/jwks"
	"github.com/certbound/certbound/resource/revokefeed"
)

const (
	issuerURL = "https://as.example"
	feedKey   = "feed-1"
)

// script answers a question instead of the server, or leaves it to it.
type script func(w http.ResponseWriter, r *http.Request) (done bool)

// server is an authorization server's feed endpoint as doc.go describes it, and
// a liar while a script is set.
type server struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	keys jwks.Set

	mu      sync.Mutex
	entries []revokefeed.Entry
	seq     int64
	changed chan struct{} // closed by each change
	script  script

	questions chan string // "after wait" of each question
}

func newServer(t testing.TB) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &server{
		t: t, key: key, keys: jwks.Set{{Key: &key.PublicKey, KeyID: feedKey, Algorithm: "ES256", Use: "sig"}},
		changed: make(chan struct{}), questions: make(chan string, 10_000),
	}
}

// publish numbers the entries and wakes those who wait. They live for an hour
// unless they say otherwise.
func (s *server) publish(entries ...revokefeed.Entry) {
	s.change(func() {
		for _, e := range entries {
			s.seq++
			e.Seq = s.seq
			if e.Action == "" {
				e.Action = revokefeed.ActionDeny
			}
			if e.Expires.IsZero() {
				e.Expires = time.Now().Add(time.Hour).Truncate(time.Second)
			}
			s.entries = append(s.entries, e)
		}
	})
}

func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// lie makes the server answer by script; nil makes it honest again.
func (s *server) lie(f script) { s.change(func() { s.script = f }) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	after, err := strconv.ParseInt(query.Get("after"), 10, 64)
	wait, waitErr := time.ParseDuration(query.Get("wait"))
	if err != nil || waitErr != nil || query.Get("client_id") != "accounts-api" || r.URL.Path != "/oauth2/revocations" {
		s.t.Errorf("asked %s", r.URL)
	}
	s.questions <- query.Get("after") + " " + query.Get("wait")
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		lie, changed := s.script, s.changed
		s.mu.Unlock()
		if lie != nil && lie(w, r) {
			return
		}
		feed := s.feed(after)
		if feed.Seq != after || wait == 0 {
			s.answer(w, feed)
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			s.answer(w, feed)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) feed(after int64) *revokefeed.Feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return revokefeed.Build(s.entries, after, s.seq)
}

func (s *server) answer(w http.ResponseWriter, feed *revokefeed.Feed) {
	feed.Issuer, feed.IssuedAt = issuerURL, time.Now().Truncate(time.Second)
	feed.Expiry = feed.IssuedAt.Add(revokefeed.Lifetime)
	payload, err := feed.Marshal()
	if err != nil {
		s.t.Error(err)
	}
	send(w, s.sign(payload, revokefeed.Type, feedKey))
}

func send(w http.ResponseWriter, compact string) {
	w.Header().Set("Content-Type", revokefeed.ContentType)
	_, _ = w.Write([]byte(compact)) // the follower may be gone
}

func (s *server) sign(payload []byte, typ, kid string, extra ...jose.HeaderKey) string {
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	for _, name := range extra {
		options.WithHeader(name, "x")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: kid}}, options)
	if err != nil {
		s.t.Error(err)
		return ""
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		s.t.Error(err)
		return ""
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		s.t.Error(err)
	}
	return compact
}

// RoundTrip lets the server answer without a network, for tests in a bubble.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (s *server) config() revokefeed.FollowerConfig {
	return revokefeed.FollowerConfig{
		Issuer: issuerURL, ClientID: "accounts-api", HTTPClient: &http.Client{Transport: s},
		Keys: s.keys, Logger: slog.New(slog.DiscardHandler),
	}
}

// follow starts a follower that ends with the test.
func (s *server) follow(t *testing.T, change ...func(*revokefeed.FollowerConfig)) *revokefeed.Follower {
	t.Helper()
	c := s.config()
	for _, f := range change {
		f(&c)
	}
	follower, err := revokefeed.NewFollower(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- follower.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return follower
}

// logs collects what is logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
