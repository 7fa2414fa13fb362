package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/ratelimit"
)

func TestClientRates(t *testing.T) {
	file := write(t, "serve.yaml", serveYAML+"rate_limits:\n  token: {requests: 7}\n  introspection: {requests: 0}\n  revocation: {requests: 5, per: 2m, burst: 9}\n  feed: {requests: 3}\n")
	got, _, err := config.LoadServe(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := rates.Config{
		Token:      ratelimit.Config{Requests: 7, Per: time.Second},
		Revocation: ratelimit.Config{Requests: 5, Per: 2 * time.Minute, Burst: 9},
		Feed:       ratelimit.Config{Requests: 3, Per: time.Second},
	}
	if have := got.RateLimits.Rates(); have != want {
		t.Errorf("got %+v, want %+v", have, want)
	}
	if _, err := rates.New(want); err != nil {
		t.Error(err)
	}
	defaults := config.DefaultClientRates()
	if _, err := rates.New(defaults.Rates()); err != nil {
		t.Error(err)
	}
}

func TestClientRatesProblems(t *testing.T) {
	file := write(t, "serve.yaml", serveYAML+"rate_limits:\n  token: {requests: -1}\n  revocation: {requests: 1, per: 1ms}\n")
	_, _, err := config.LoadServe(file, nil)
	for _, want := range []string{"rate_limits.token.requests", "rate_limits.revocation.per"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no problem with %s: %v", want, err)
		}
	}
}
