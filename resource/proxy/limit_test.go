package proxy_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/ratelimit"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/proxy"
)

// limited gives the world rates, and a clock that stands until it is moved.
func limited(t *testing.T, r proxy.Rates, clock *atomic.Int64) func(*world, *proxy.Config, *httptest.Server) {
	began := time.Now()
	return func(_ *world, c *proxy.Config, _ *httptest.Server) {
		var err error
		c.Limits, err = proxy.NewLimits(r)
		must(t, err)
		c.Clock = func() time.Time { return began.Add(time.Duration(clock.Load())) }
	}
}

func perMinute(n int) ratelimit.Config { return ratelimit.Config{Requests: n, Per: time.Minute} }

// get sends a request of a client and a partner.
func (w *world) get(t *testing.T, client, partner string) *answer {
	t.Helper()
	w.hits.Store(0)
	token := w.token(t, func(c *accesstoken.Claims) { c.ClientID, c.Partner = client, partner })
	return w.send(t, w.acme, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+token+"\n\n")
}

func TestRateOfAClient(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	w := newWorld(t, limited(t, proxy.Rates{Client: perMinute(2)}, &clock))
	for range 2 {
		if a := w.get(t, "one", "p"); a.StatusCode != 200 {
			t.Fatalf("%d", a.StatusCode)
		}
	}
	w.log.decisions(t)
	a := w.get(t, "one", "p")
	line := w.expectRefusal(t, a, 429, "rate_limited")
	if a.Header.Get("Retry-After") != "30" || a.Header.Get("WWW-Authenticate") != "" || line["client_id"] != "one" {
		t.Errorf("Retry-After %q, logged %v", a.Header.Get("Retry-After"), line)
	}
	if a := w.get(t, "two", "p"); a.StatusCode != 200 {
		t.Errorf("another client: %d", a.StatusCode)
	}
	clock.Store(int64(30 * time.Second))
	if a := w.get(t, "one", "p"); a.StatusCode != 200 {
		t.Errorf("after the wait: %d", a.StatusCode)
	}
}

// TestRateOfAPartner: clients share it, and what it refuses is not counted for
// the client.
func TestRateOfAPartner(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	w := newWorld(t, limited(t, proxy.Rates{Client: perMinute(2), Partner: perMinute(2)}, &clock))
	for _, client := range []string{"one", "two"} {
		if a := w.get(t, client, "p"); a.StatusCode != 200 {
			t.Fatalf("%d", a.StatusCode)
		}
	}
	for range 5 {
		if a := w.get(t, "one", "p"); a.StatusCode != 429 {
			t.Errorf("%d", a.StatusCode)
		}
	}
	if a := w.get(t, "one", ""); a.StatusCode != 200 { // no partner, no rate of one; the client's is left
		t.Errorf("without a partner: %d", a.StatusCode)
	}
}

// TestStrangersSpendNothing: only a verified token is counted.
func TestStrangersSpendNothing(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	w := newWorld(t, limited(t, proxy.Rates{Client: perMinute(1), Partner: perMinute(1)}, &clock))
	stolen := w.token(t)
	for range 5 {
		for _, pair := range []keystest.Pair{w.mallory, {}} {
			if a := w.send(t, pair, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+stolen+"\n\n"); a.StatusCode != 401 {
				t.Fatalf("%d", a.StatusCode)
			}
		}
	}
	if a := w.call(t, "GET", "/accounts"); a.StatusCode != 200 {
		t.Errorf("the rightful client: %d %s", a.StatusCode, a.body)
	}
}

// asked is an issuer that counts the questions, and says that every token is
// acme's and good.
type asked struct {
	*world
	questions atomic.Int64
}

func (a *asked) Introspect(context.Context, string) (*accesstoken.Claims, bool, error) {
	a.questions.Add(1)
	return &accesstoken.Claims{
		Issuer: issuer, ClientID: "acme-billing", Audience: []string{audience}, Expiry: time.Now().Add(time.Minute),
		Scopes: []string{"accounts:read"}, Thumbprint: thumbprint.Of(a.acme.Cert),
	}, true, nil
}

// TestOverTheRateNobodyIsAsked: where the issuer is asked on each request, a client
// over its rate has nothing asked, and is counted once for what passes.
func TestOverTheRateNobodyIsAsked(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	limits := limited(t, proxy.Rates{Client: perMinute(2)}, &clock)
	issuerOf := &asked{}
	w := newWorld(t, func(w *world, c *proxy.Config, s *httptest.Server) {
		limits(w, c, s)
		issuerOf.world = w
		var err error
		c.Verifier, err = resource.New(resource.Config{
			Issuer: issuer, Audience: audience, Introspection: issuerOf, AcceptOpaque: true,
			Keys: keySource{jose.JSONWebKey{Key: w.issuerKey.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}},
		})
		must(t, err)
		for i := range c.Routes {
			c.Routes[i].Introspect = true
		}
	})
	opaque := strings.Repeat("0123456789abcdef", 2)
	for i, want := range []struct {
		token     string
		status    int
		questions int64
	}{{"{token}", 200, 1}, {"{token}", 200, 2}, {"{token}", 429, 2}, {"{token}", 429, 2}, {opaque, 429, 3}} {
		a := w.send(t, w.acme, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+want.token+"\n\n")
		if n := issuerOf.questions.Load(); a.StatusCode != want.status || n != want.questions {
			t.Errorf("request %d: %d after %d questions; %s", i, a.StatusCode, n, a.body)
		}
	}
	if a := w.send(t, w.mallory, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n\n"); a.StatusCode != 401 || a.json.Reason != "thumbprint_mismatch" {
		t.Errorf("a thief: %d %s", a.StatusCode, a.body)
	}
	clock.Store(int64(time.Minute))
	if a := w.send(t, w.acme, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer "+opaque+"\n\n"); a.StatusCode != 200 {
		t.Errorf("an opaque token within the rate: %d %s", a.StatusCode, a.body)
	}
}

func TestRateOfAnAddress(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	w := newWorld(t, limited(t, proxy.Rates{Address: perMinute(2)}, &clock))
	for range 2 {
		w.expectRefusal(t, w.send(t, w.mallory, "GET /accounts HTTP/1.1\nHost: localhost\n\n"), 401, "token_missing")
	}
	a := w.call(t, "GET", "/accounts")
	w.expectRefusal(t, a, 429, "rate_limited")
	if a.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

func TestRateFaults(t *testing.T) {
	t.Parallel()
	_, err := proxy.NewLimits(proxy.Rates{Client: ratelimit.Config{Requests: 1}, Address: ratelimit.Config{Per: 1}})
	if err == nil {
		t.Error("accepted")
	}
}
