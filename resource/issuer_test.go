package resource_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// TestSeveralIssuers: iss selects the keys, the audience and the revocations, and
// nothing of one issuer counts for another's tokens, even under the same kid.
func TestSeveralIssuers(t *testing.T) {
	const otherURL, otherAudience = "https://other.example/bank", "urn:accounts"
	other := newBench(t) // a second issuer, whose key has the same kid
	mine, theirs := &ledger{}, &ledger{}
	b := newBench(t, func(c *resource.Config) {
		c.Revocations = mine
		c.Issuers = []resource.Issuer{{Issuer: otherURL, Audience: otherAudience, Keys: other.keys, Revocations: theirs}}
	})
	claims := b.claims(b.acme)
	of := claims.with("iss", otherURL).with("aud", otherAudience)
	header := b.header().text()
	for _, tt := range []struct {
		name, token string
		want        decision.Reason
	}{
		{"the first issuer's", b.sign(header, claims.text()), ""},
		{"the second issuer's", other.sign(header, of.text()), ""},
		{"the second's key for the first", other.sign(header, claims.text()), decision.SignatureInvalid},
		{"the first's key for the second", b.sign(header, of.text()), decision.SignatureInvalid},
		{"the second's token for the first's audience", other.sign(header, of.with("aud", audience).text()), decision.AudienceMismatch},
		{"the first's token for the second's audience", b.sign(header, claims.with("aud", otherAudience).text()), decision.AudienceMismatch},
		{"nobody's", b.sign(header, claims.with("iss", "https://evil.example").text()), decision.IssuerMismatch},
		{"the second's with a slash", other.sign(header, of.with("iss", otherURL+"/").text()), decision.IssuerMismatch},
		{"a prefix of the second's", other.sign(header, of.with("iss", "https://other.example").text()), decision.IssuerMismatch},
	} {
		for range 2 { // known and unknown
			_, err := b.verifier.VerifyRequest(request(tt.token, &b.acme))
			if got := reason(t, err); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
	}
	theirs.say(decision.ClientDisabled, nil)
	if _, err := b.verifier.VerifyRequest(request(other.sign(header, of.text()), &b.acme)); reason(t, err) != decision.ClientDisabled {
		t.Errorf("revoked by its issuer: %v", err)
	}
	mine.say("", errStale)
	theirs.say("", nil)
	if _, err := b.verifier.VerifyRequest(request(other.sign(header, of.text()), &b.acme)); err != nil {
		t.Errorf("the first issuer's silence is not the second's: %v", err)
	}
	if _, err := b.verifier.VerifyRequest(request(b.sign(header, claims.text()), &b.acme)); reason(t, err) != decision.RevocationsStale {
		t.Errorf("got %v", err)
	}
}

// TestIntrospectionAsksTheTokensIssuer: a token is shown to its own issuer only.
func TestIntrospectionAsksTheTokensIssuer(t *testing.T) {
	const otherURL = "https://other.example"
	mine, theirs := &oracle{active: true}, &oracle{active: true}
	other := newBench(t)
	b := newBench(t, func(c *resource.Config) {
		c.Introspection = mine
		c.Issuers = []resource.Issuer{{Issuer: otherURL, Audience: audience, Keys: other.keys, Introspection: theirs, AcceptOpaque: true}}
	})
	theirs.claims = b.answer(b.acme)
	theirs.claims.Issuer = otherURL
	token := other.sign(b.header().text(), b.claims(b.acme).with("iss", otherURL).text())
	if _, err := b.verifier.VerifyPolicy(request(token, &b.acme), resource.Policy{Introspect: true}); err != nil {
		t.Error(err)
	}
	if _, err := b.verifier.VerifyRequest(request("an-opaque-token-of-theirs", &b.acme)); err != nil {
		t.Error(err)
	}
	if len(mine.asked) != 0 || len(theirs.asked) != 2 {
		t.Errorf("asked %q and %q", mine.asked, theirs.asked)
	}
	// An answer cannot speak for another issuer.
	theirs.claims.Issuer = issuerURL
	if _, err := b.verifier.VerifyRequest(request("an-opaque-token-of-theirs", &b.acme)); reason(t, err) != decision.IssuerMismatch {
		t.Errorf("got %v", err)
	}
}

func TestIssuersRefused(t *testing.T) {
	good := resource.Issuer{Issuer: issuerURL, Audience: audience, Keys: jwks.Set{}}
	opaque := good
	opaque.Introspection, opaque.AcceptOpaque = &oracle{}, true
	second := opaque
	second.Issuer = "https://other.example"
	for want, c := range map[string]resource.Config{
		`resource: Issuer "https://as.example" is there twice`:                                                                    {Issuers: []resource.Issuer{good, good}},
		"resource: Issuer is required\nresource: Audience is required":                                                            {Issuers: []resource.Issuer{good, {}}},
		`resource: AcceptOpaque of "https://as.example" and of "https://other.example": an opaque token does not say whose it is`: {Issuers: []resource.Issuer{opaque, second}},
		"resource: AcceptOpaque needs Introspection: nothing else can tell what an opaque token is":                               {Issuer: issuerURL, Audience: audience, Keys: jwks.Set{}, AcceptOpaque: true},
		"resource: CacheSize 10000001 is more than 10000000":                                                                      {Issuers: []resource.Issuer{good}, CacheSize: 10_000_001},
		"resource: Issuer is required":                                                                                            {Audience: audience, Issuers: []resource.Issuer{good}},
	} {
		if _, err := resource.New(c); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	v, err := resource.New(resource.Config{Issuers: []resource.Issuer{good, second}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.VerifyRequest(request("", nil))
	if refusal := err.(*resource.Refusal); refusal.Realm != audience { //nolint:errorlint // VerifyRequest says so
		t.Errorf("realm %q", refusal.Realm)
	}
}

// silent is a Revocations that has heard of nothing.
type silent struct{}

func (*silent) Check(*accesstoken.Claims, string) (decision.Reason, error) { return "", nil }

func TestPolicy(t *testing.T) {
	b := newBench(t)
	token := b.sign(b.header().text(), b.claims(b.acme).with("scope", "a b").text())
	for _, tt := range []struct {
		policy resource.Policy
		want   decision.Reason
		needed string
	}{
		{resource.Policy{}, "", ""},
		{resource.Policy{AllOf: []string{"a", "b"}}, "", "a b"},
		{resource.Policy{AnyOf: []string{"x", "b"}}, "", "x b"},
		{resource.Policy{AllOf: []string{"a"}, AnyOf: []string{"x", "b"}}, "", "a x b"},
		{resource.Policy{AllOf: []string{"a", "x"}}, decision.ScopeInsufficient, "a x"},
		{resource.Policy{AnyOf: []string{"x", "y"}}, decision.ScopeInsufficient, "x y"},
		{resource.Policy{AllOf: []string{"x"}, AnyOf: []string{"a"}}, decision.ScopeInsufficient, "x a"},
	} {
		got, err := b.verifier.VerifyPolicy(request(token, &b.acme), tt.policy)
		if reason(t, err) != tt.want {
			t.Errorf("%+v: %v", tt.policy, err)
			continue
		}
		needed := ""
		if err == nil {
			needed = strings.Join(got.Decision.Evidence.ScopesNeeded, " ")
		} else {
			needed = strings.Join(err.(*resource.Refusal).ScopesNeeded, " ") //nolint:errorlint // as above
		}
		if needed != tt.needed {
			t.Errorf("%+v: needed %q", tt.policy, needed)
		}
	}
}

func TestObserve(t *testing.T) {
	var seen []decision.Reason
	b := newBench(t, func(c *resource.Config) {
		c.Observe = func(d *decision.Decision) { seen = append(seen, d.Reason) }
	})
	h := b.verifier.Enforce(resource.Policy{AnyOf: []string{"accounts:read"}})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h.ServeHTTP(discard{}, request(b.token(b.acme), &b.acme))
	h.ServeHTTP(discard{}, request(b.token(b.acme), &b.mallory))
	if len(seen) != 2 || seen[0] != "" || seen[1] != decision.ThumbprintMismatch {
		t.Errorf("observed %q", seen)
	}
}

// discard is a ResponseWriter for answers that nobody looks at.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
