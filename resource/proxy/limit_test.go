package proxy_test

import (
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/ratelimit"
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
