package rates_test

import (
	"testing"
	"time"

	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/ratelimit"
	"github.com/certbound/certbound/resource/decision"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func perMinute(n int) ratelimit.Config { return ratelimit.Config{Requests: n, Per: time.Minute} }

func newRates(t *testing.T, c rates.Config) *rates.Rates {
	t.Helper()
	r, err := rates.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTake: each client has a bucket of its own at each endpoint.
func TestTake(t *testing.T) {
	t.Parallel()
	r := newRates(t, rates.Config{Token: perMinute(1), Revocation: perMinute(2)})
	for i, step := range []struct {
		rate   *rates.Rate
		client string
		wait   time.Duration
	}{
		{&r.Token, "a", 0}, {&r.Token, "a", time.Minute}, {&r.Token, "b", 0},
		{&r.Revocation, "a", 0}, {&r.Revocation, "a", 0}, {&r.Revocation, "a", 30 * time.Second},
		{&r.Introspection, "a", 0}, {&r.Introspection, "a", 0}, // without a bound
		{nil, "a", 0},
	} {
		refusal := step.rate.Take(start, step.client)
		switch {
		case step.wait == 0 && refusal != nil:
			t.Errorf("step %d: %+v", i, refusal)
		case step.wait != 0 && (refusal == nil || refusal.Reason != decision.RateLimited || refusal.RetryAfter != step.wait):
			t.Errorf("step %d: %+v, want a wait of %v", i, refusal, step.wait)
		}
	}
}

// TestSet: what stays the same keeps its counters, and a fault changes nothing.
func TestSet(t *testing.T) {
	t.Parallel()
	c := rates.Config{Token: perMinute(1), Revocation: perMinute(1)}
	r := newRates(t, c)
	r.Token.Take(start, "a")
	r.Revocation.Take(start, "a")

	c.Revocation = perMinute(5)
	if err := r.Set(c); err != nil {
		t.Fatal(err)
	}
	if r.Token.Take(start, "a") == nil {
		t.Error("a rate that did not change has forgotten what it counted")
	}
	if r.Revocation.Take(start, "a") != nil {
		t.Error("the new rate is not in force")
	}
	if err := r.Set(rates.Config{Introspection: ratelimit.Config{Requests: -1}}); err == nil {
		t.Error("a rate that is none is accepted")
	}
	if r.Token.Take(start, "a") == nil {
		t.Error("a refused change took a rate away")
	}
	if err := r.Set(rates.Config{}); err != nil {
		t.Fatal(err)
	}
	if r.Token.Take(start, "a") != nil {
		t.Error("the rate that was taken away still holds")
	}
}
