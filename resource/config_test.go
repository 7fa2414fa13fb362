package resource_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

func TestNewRefuses(t *testing.T) {
	const algorithms = "[ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA]"
	for _, tt := range []struct {
		name   string
		change func(*resource.Config)
		want   string
	}{
		{"nothing", func(c *resource.Config) { *c = resource.Config{} }, "resource: Issuer is required\nresource: Audience is required"},
		{"no issuer", func(c *resource.Config) { c.Issuer = "" }, "resource: Issuer is required"},
		{"no audience", func(c *resource.Config) { c.Audience = "" }, "resource: Audience is required"},
		{"http", func(c *resource.Config) { c.Issuer = "http://as.example" }, `resource: Issuer "http://as.example" is not an https URL without user, query and fragment`},
		{"a query", func(c *resource.Config) { c.Issuer += "?" }, `resource: Issuer "https://as.example?" is not an https URL without user, query and fragment`},
		{"a fragment", func(c *resource.Config) { c.Issuer += "#x" }, `resource: Issuer "https://as.example#x" is not an https URL without user, query and fragment`},
		{"no host", func(c *resource.Config) { c.Issuer = "https:///x" }, `resource: Issuer "https:///x" is not an https URL without user, query and fragment`},
		{"leeway", func(c *resource.Config) { c.Leeway = 31 * time.Second }, "resource: Leeway 31s is more than 30s"},
		{"none", func(c *resource.Config) { c.Algorithms = []string{"ES256", "none"} }, `resource: Algorithms: "none" is not one of ` + algorithms},
		{"HMAC", func(c *resource.Config) { c.Algorithms = []string{"HS256"} }, `resource: Algorithms: "HS256" is not one of ` + algorithms},
		{"an empty algorithm", func(c *resource.Config) { c.Algorithms = []string{""} }, `resource: Algorithms: "" is not one of ` + algorithms},
		{"realm", func(c *resource.Config) { c.Realm = "x\r\nSet-Cookie: a" }, `resource: Realm "x\r\nSet-Cookie: a" is not printable ASCII`},
		{"two at once", func(c *resource.Config) { c.Audience = ""; c.Leeway = time.Minute }, "resource: Audience is required\nresource: Leeway 1m0s is more than 30s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := resource.Config{Issuer: issuerURL, Audience: audience, Keys: jwks.Set{}}
			tt.change(&c)
			if v, err := resource.New(c); v != nil || err == nil || err.Error() != tt.want {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestNewDefaults(t *testing.T) {
	if _, err := resource.New(resource.Config{Issuer: issuerURL, Audience: audience}); err != nil {
		t.Fatalf("issuer and audience alone should do: %v", err)
	}
	if _, err := resource.New(resource.Config{Issuer: "https://as.example/%zz", Audience: audience}); err == nil || !strings.Contains(err.Error(), "Issuer") {
		t.Errorf("an issuer that cannot be parsed: %v", err)
	}
}

func TestLeeway(t *testing.T) {
	for name, tt := range map[string]struct {
		leeway time.Duration
		ahead  int64 // seconds by which the issuer's clock may be ahead
	}{"default": {0, 10}, "none": {resource.NoLeeway, 0}, "three seconds": {3 * time.Second, 3}, "the most": {30 * time.Second, 30}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *resource.Config) { c.Leeway = tt.leeway })
			for _, claim := range []string{"iat", "nbf"} {
				for ahead, want := range map[int64]decision.Reason{tt.ahead: "", tt.ahead + 1: decision.TokenNotYetValid} {
					token := b.sign(b.header().text(), b.claims(b.acme).with(claim, b.now.Unix()+ahead).text())
					_, err := b.verifier.VerifyRequest(request(token, &b.acme))
					if got := reason(t, err); got != want {
						t.Errorf("%s %d s ahead: got %q, want %q", claim, ahead, got, want)
					}
				}
			}
			token := b.sign(b.header().text(), b.claims(b.acme).with("exp", b.now.Unix()).text())
			_, err := b.verifier.VerifyRequest(request(token, &b.acme))
			if got := reason(t, err); got != decision.TokenExpired {
				t.Errorf("exp has no leeway: got %q", got)
			}
		})
	}
}
