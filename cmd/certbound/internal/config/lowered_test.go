package config_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

func strictProxy() *config.Proxy {
	return &config.Proxy{
		Revocations: config.Revocations{ClientID: "rs", MaxStaleness: config.Duration(30 * time.Second)},
		RateLimits:  config.RateLimits{Client: config.Rate{Requests: 5}, Address: config.Rate{Requests: 9}},
		Routes: []config.Route{
			{Path: "/a", Methods: []string{"GET", "POST"}, Scopes: config.Scopes{AllOf: []string{"a"}}, Introspect: true, Partners: []string{"acme"}, Clients: []string{"one"}},
			{Path: "/b", Methods: []string{"GET"}, AnyScope: true},
		},
	}
}

// TestLowered: whatever a reload takes away is named, and nothing else is.
func TestLowered(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*config.Proxy)
		want   []string
	}{
		"nothing":          {func(*config.Proxy) {}, nil},
		"half of the file": {func(p *config.Proxy) { p.Revocations, p.RateLimits = config.Revocations{}, config.RateLimits{} }, []string{"revocations: no longer followed", "rate_limits.client: taken away", "rate_limits.address: taken away"}},
		"stale for longer": {func(p *config.Proxy) { p.Revocations.MaxStaleness++ }, []string{"revocations.max_staleness: longer"}},
		"fresher":          {func(p *config.Proxy) { p.Revocations.MaxStaleness-- }, nil},
		"leeway":           {func(p *config.Proxy) { p.Leeway++ }, []string{"leeway: longer"}},
		"a route less":     {func(p *config.Proxy) { p.Routes = p.Routes[1:] }, nil},
		"a route in front": {func(p *config.Proxy) { p.Routes = append([]config.Route{{Path: "/c", Unbound: true}}, p.Routes...) }, nil},
		"a laxer route": {func(p *config.Proxy) {
			p.Routes[0] = config.Route{Path: "/a", Methods: []string{"GET"}, Unbound: true, AnyScope: true, ForwardToken: true, InsecurePlaintextUpstream: true}
		}, []string{"GET /a: unbound tokens are accepted", "GET /a: no scope is asked for", "GET /a: no introspection", "GET /a: the token is forwarded", "GET /a: open to all partners", "GET /a: open to all clients", "GET /a: the upstream is reached in plain text"}},
		"half of the scopes": {func(p *config.Proxy) { p.Routes[0].Scopes = config.Scopes{AnyOf: []string{"one"}} },
			[]string{"GET,POST /a: scope a is not asked for"}},
		"more scopes":       {func(p *config.Proxy) { p.Routes[0].Scopes.AllOf = []string{"b", "a"} }, nil},
		"another rate only": {func(p *config.Proxy) { p.RateLimits.Client.Requests = 50 }, nil},
	} {
		next := strictProxy()
		next.Routes = slices.Clone(next.Routes)
		tt.change(next)
		if diff := cmp.Diff(tt.want, strictProxy().Lowered(next)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	asks := func(anyOf ...string) *config.Proxy {
		return &config.Proxy{Routes: []config.Route{{Path: "/a", Methods: []string{"GET"}, Scopes: config.Scopes{AllOf: []string{"a"}, AnyOf: anyOf}}}}
	}
	for _, tt := range []struct {
		was, is *config.Proxy
		want    []string
	}{
		{asks("b", "c"), asks("b"), nil},
		{asks(), asks("b"), nil},
		{asks("b"), asks("b", "c"), []string{"GET /a: scope c is enough too"}},
		{asks("b", "c"), asks(), []string{"GET /a: none of b c is asked for"}},
	} {
		if diff := cmp.Diff(tt.want, tt.was.Lowered(tt.is)); diff != "" {
			t.Errorf("any_of (-want +got):\n%s", diff)
		}
	}
	was, is := &config.Serve{RateLimits: config.DefaultClientRates()}, &config.Serve{}
	is.Fetch.SystemRoots, is.Fetch.AllowPrivate = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	want := []string{
		"rate_limits.token: taken away", "rate_limits.introspection: taken away", "rate_limits.revocation: taken away", "rate_limits.feed: taken away",
		"fetch.system_roots: the operating system's roots are believed", "fetch.allow_private: 10.0.0.0/8 may be called",
	}
	if diff := cmp.Diff(want, was.Lowered(is)); diff != "" {
		t.Errorf("serve (-want +got):\n%s", diff)
	}
	if got := is.Lowered(was); got != nil {
		t.Errorf("raised: %q", got)
	}
}
