package resource_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// oracle is an Introspector that says what it is told to.
type oracle struct {
	claims *accesstoken.Claims
	active bool
	err    error
	asked  []string
}

func (o *oracle) Introspect(_ context.Context, token string) (*accesstoken.Claims, bool, error) {
	o.asked = append(o.asked, token)
	return o.claims, o.active, o.err
}

// answer is what an honest issuer says about a good token of pair.
func (b *bench) answer(pair keystest.Pair) *accesstoken.Claims {
	return &accesstoken.Claims{
		Issuer: issuerURL, ClientID: "acme-billing", Subject: "acme-billing", Audience: []string{audience}, ID: "one",
		IssuedAt: b.now, Expiry: b.now.Add(time.Minute), Scopes: []string{"accounts:read"}, Partner: "acme",
		Thumbprint: thumbprint.Of(pair.Cert),
	}
}

// TestIntrospection: the binding, and all else, is enforced on the answer too
// (spring-security#14888 did not).
func TestIntrospection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(o *oracle, b *bench)
		want   decision.Reason
		detail string
	}{
		{"good", func(*oracle, *bench) {}, "", ""},
		{"inactive", func(o *oracle, _ *bench) { o.active, o.claims = false, nil }, decision.TokenInactive, "the issuer says that the token is not active"},
		{"inactive with claims", func(o *oracle, _ *bench) { o.active = false }, decision.TokenInactive, "the issuer says that the token is not active"},
		{"cannot be asked", func(o *oracle, _ *bench) { o.err = errors.New("introspection: dial: refused") }, decision.IntrospectionUnavailable, "introspection: dial: refused"},
		{"an error beside a good answer", func(o *oracle, _ *bench) { o.err = errors.New("x") }, decision.IntrospectionUnavailable, "x"},
		{"active and nothing else", func(o *oracle, _ *bench) { o.claims = nil }, decision.IntrospectionUnavailable, "the introspector says active and nothing else"},
		{"bound to another certificate", func(o *oracle, b *bench) { o.claims.Thumbprint = thumbprint.Of(b.mallory.Cert) }, decision.ThumbprintMismatch, ""},
		{"bound to nothing", func(o *oracle, _ *bench) { o.claims.Thumbprint = thumbprint.Thumbprint{} }, decision.TokenUnbound, "accesstoken: not bound to a certificate: there is no cnf claim"},
		{"bound by another method", func(o *oracle, _ *bench) { o.err = fmt.Errorf("%w: x", accesstoken.ErrUnbound) }, decision.TokenUnbound, "accesstoken: not bound to a certificate: x"},
		{"another issuer", func(o *oracle, _ *bench) { o.claims.Issuer += "/" }, decision.IssuerMismatch, ""},
		{"no issuer", func(o *oracle, _ *bench) { o.claims.Issuer = "" }, decision.IssuerMismatch, ""},
		{"another API", func(o *oracle, _ *bench) { o.claims.Audience = []string{audience + "/"} }, decision.AudienceMismatch, ""},
		{"no API", func(o *oracle, _ *bench) { o.claims.Audience = nil }, decision.AudienceMismatch, ""},
		{"expired", func(o *oracle, b *bench) { o.claims.Expiry = b.now }, decision.TokenExpired, ""},
		{"no expiry", func(o *oracle, _ *bench) { o.claims.Expiry = time.Time{} }, decision.TokenExpired, ""},
		{"not yet", func(o *oracle, b *bench) { o.claims.NotBefore = b.now.Add(time.Minute) }, decision.TokenNotYetValid, ""},
		{"no iat is no lie", func(o *oracle, _ *bench) { o.claims.IssuedAt = time.Time{} }, "", ""},
		{"another client's", func(o *oracle, _ *bench) { o.claims.ClientID = "mallory-app" }, decision.IntrospectionUnavailable, "the issuer's answer is about another token"},
		{"another token's", func(o *oracle, _ *bench) { o.claims.ID = "two" }, decision.IntrospectionUnavailable, "the issuer's answer is about another token"},
		{"a scope has been taken away", func(o *oracle, _ *bench) { o.claims.Scopes = nil }, decision.ScopeInsufficient, "by the issuer's answer, the token lacks the scope accounts:read"},
		{"a scope is added, which the token has not", func(o *oracle, _ *bench) { o.claims.Scopes = []string{"accounts:read", "accounts:write"} }, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &oracle{active: true}
			b := newBench(t, func(c *resource.Config) { c.Introspection = o })
			o.claims = b.answer(b.acme)
			tt.change(o, b)
			raw := b.token(b.acme)
			for range 2 { // a known token is asked about again
				token, err := b.verifier.VerifyPolicy(request(raw, &b.acme), resource.Policy{AllOf: []string{"accounts:read"}, Introspect: true})
				if got := reason(t, err); got != tt.want {
					t.Fatalf("got %q, want %q", got, tt.want)
				}
				if err == nil && strings.Join(token.Scopes, " ") != "accounts:read" {
					t.Errorf("scopes %q", token.Scopes)
				}
				var refusal *resource.Refusal
				if errors.As(err, &refusal) && tt.detail != "" && refusal.Decision.Evidence.Detail != tt.detail {
					t.Errorf("detail %q, want %q", refusal.Decision.Evidence.Detail, tt.detail)
				}
				if unavailable := tt.want == decision.IntrospectionUnavailable; refusal != nil && unavailable != (refusal.Decision.Status == 503 && refusal.RetryAfter > 0) {
					t.Errorf("status %d, retry after %v", refusal.Decision.Status, refusal.RetryAfter)
				}
			}
			if len(o.asked) != 2 || o.asked[0] != raw {
				t.Errorf("asked %d times", len(o.asked))
			}
			if _, err := b.verifier.VerifyRequest(request(raw, &b.acme), "accounts:read"); err != nil || len(o.asked) != 2 {
				t.Errorf("a route that does not ask: %v, asked %d times", err, len(o.asked))
			}
		})
	}
}

// TestTokenEndsWithTheAnswer: an answer may shorten a token's life and never makes
// it longer, for streams too.
func TestTokenEndsWithTheAnswer(t *testing.T) {
	o := &oracle{active: true}
	b := newBench(t, func(c *resource.Config) { c.Introspection = o })
	start := b.now
	for answered, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, time.Hour: 5 * time.Minute} {
		b.now = start
		o.claims = b.answer(b.acme)
		o.claims.Expiry = start.Add(answered)
		token, err := b.verifier.VerifyPolicy(request(b.token(b.acme), &b.acme), resource.Policy{Introspect: true})
		if err != nil || !token.Expiry.Equal(start.Add(want)) {
			t.Fatalf("%v: %v, %+v", answered, err, token)
		}
		b.now = start.Add(want - time.Second)
		if reason, _ := b.verifier.Recheck(token); reason != "" {
			t.Errorf("%v: %s before its end", answered, reason)
		}
		b.now = start.Add(want)
		if reason, _ := b.verifier.Recheck(token); reason != decision.TokenExpired {
			t.Errorf("%v: %q at its end", answered, reason)
		}
	}
}

// TestIntrospectionIsAskedInItsTurn: a stranger cannot make us ask.
func TestIntrospectionIsAskedInItsTurn(t *testing.T) {
	o, l := &oracle{active: true}, &ledger{}
	b := newBench(t, func(c *resource.Config) { c.Introspection, c.Revocations = o, l })
	o.claims = b.answer(b.acme)
	asks := resource.Policy{Introspect: true}
	good := b.token(b.acme)
	for name, tt := range map[string]struct {
		token string
		pair  *keystest.Pair
		want  decision.Reason
	}{
		"forged":         {good[:strings.LastIndex(good, ".")+1] + encode(strings.Repeat("x", 64)), &b.acme, decision.SignatureInvalid},
		"stolen":         {good, &b.mallory, decision.ThumbprintMismatch},
		"no certificate": {good, nil, decision.CertificateMissing},
		"opaque":         {"an-opaque-token", &b.acme, decision.TokenMalformed},
		"five parts":     {"a.b.c.d.e", &b.acme, decision.TokenMalformed},
	} {
		if _, err := b.verifier.VerifyPolicy(request(tt.token, tt.pair), asks); reason(t, err) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.say(decision.TokenRevoked, nil)
	if _, err := b.verifier.VerifyPolicy(request(good, &b.acme), asks); reason(t, err) != decision.TokenRevoked {
		t.Errorf("known to be revoked: %v", err)
	}
	if len(o.asked) != 0 {
		t.Errorf("asked about %q", o.asked)
	}
	l.say("", nil)
	o.active = false
	if _, err := b.verifier.VerifyPolicy(request(good, &b.acme), resource.Policy{AllOf: []string{"accounts:write"}, Introspect: true}); reason(t, err) != decision.TokenInactive {
		t.Errorf("a dead token without the scope: %v", err)
	}
}

// TestIntrospectionThatNobodyAnswers: a route that asks is closed without it.
func TestIntrospectionThatNobodyAnswers(t *testing.T) {
	b := newBench(t)
	asks := resource.Policy{Introspect: true}
	if _, err := b.verifier.VerifyPolicy(request(b.token(b.acme), &b.acme), asks); reason(t, err) != decision.IntrospectionUnavailable {
		t.Errorf("got %v", err)
	}
	const want = "resource: Introspect is asked for and no issuer has an Introspection"
	if err := b.verifier.CheckPolicy(asks); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	asking := newBench(t, func(c *resource.Config) { c.Introspection = &oracle{} })
	for p, want := range map[*resource.Policy]string{
		{Introspect: true, AllOf: []string{"a"}, AnyOf: []string{"b", "c"}}: "",
		{}:                          "",
		{AllOf: []string{"a b"}}:    `resource: "a b" is not a scope (RFC 6749 §3.3)`,
		{AnyOf: []string{""}}:       `resource: "" is not a scope (RFC 6749 §3.3)`,
		{AnyOf: []string{"a", "a"}}: `resource: scope "a" is listed twice`,
	} {
		if err := asking.verifier.CheckPolicy(*p); fmt.Sprint(err) != want && (err != nil || want != "") {
			t.Errorf("%+v: got %v, want %s", p, err, want)
		}
	}
}

// TestOpaqueTokens: only where they are wanted, only with the binding, and never
// as a second chance for a JWT.
func TestOpaqueTokens(t *testing.T) {
	const opaque = "mF_9.B5f-4~1JqM+/u7Wz0Q=="
	o, l := &oracle{active: true}, &ledger{}
	b := newBench(t, func(c *resource.Config) { c.Introspection, c.AcceptOpaque, c.Revocations = o, true, l })
	o.claims = b.answer(b.acme)
	token, err := b.verifier.VerifyRequest(request(opaque, &b.acme), "accounts:read")
	if err != nil || token.ClientID != "acme-billing" || token.Partner != "acme" || token.Peer == nil || len(o.asked) != 1 || o.asked[0] != opaque {
		t.Fatalf("%+v, %v, asked %q", token, err, o.asked)
	}
	for name, tt := range map[string]struct {
		token  string
		pair   *keystest.Pair
		scope  string
		change func(*accesstoken.Claims)
		asked  bool
		want   decision.Reason
	}{
		"without a certificate":    {opaque, nil, "", nil, false, decision.CertificateMissing},
		"with another certificate": {opaque, &b.mallory, "", nil, true, decision.ThumbprintMismatch},
		"without the scope":        {opaque, &b.acme, "accounts:write", nil, true, decision.ScopeInsufficient},
		"expired":                  {opaque, &b.acme, "", func(c *accesstoken.Claims) { c.Expiry = b.now }, true, decision.TokenExpired},
		"of another API":           {opaque, &b.acme, "", func(c *accesstoken.Claims) { c.Audience = []string{"x"} }, true, decision.AudienceMismatch},
		"of another issuer":        {opaque, &b.acme, "", func(c *accesstoken.Claims) { c.Issuer = "https://other.example" }, true, decision.IssuerMismatch},
		"unbound":                  {opaque, &b.acme, "", func(c *accesstoken.Claims) { c.Thumbprint = thumbprint.Thumbprint{} }, true, decision.TokenUnbound},
		"too short":                {"abcdefghijklmnopqrstu", &b.acme, "", nil, false, decision.TokenMalformed},
		"too long":                 {strings.Repeat("a", accesstoken.MaxSize+1), &b.acme, "", nil, false, decision.TokenMalformed},
		"a JWT that is expired":    {b.sign(b.header().text(), b.claims(b.acme).with("exp", 1).text()), &b.acme, "", nil, false, decision.TokenExpired},
		"a JWT of nobody":          {b.sign(b.header().with("kid", "x").text(), b.claims(b.acme).text()), &b.acme, "", nil, false, decision.KeyUnknown},
		"two words":                {opaque + " x", &b.acme, "", nil, false, decision.TokenMalformed},
		"quoted":                   {`"` + opaque + `"`, &b.acme, "", nil, false, decision.TokenMalformed},
		"two tokens":               {opaque + "," + opaque, &b.acme, "", nil, false, decision.TokenMalformed},
		"three parts of anything":  {"a.b.c", &b.acme, "", nil, false, decision.TokenMalformed},
	} {
		o.asked, o.claims = nil, b.answer(b.acme)
		if tt.change != nil {
			tt.change(o.claims)
		}
		var scopes []string
		if tt.scope != "" {
			scopes = []string{tt.scope}
		}
		_, err := b.verifier.VerifyRequest(request(tt.token, tt.pair), scopes...)
		if got := reason(t, err); got != tt.want || (len(o.asked) == 1) != tt.asked {
			t.Errorf("%s: got %q, want %q; asked %d times", name, got, tt.want, len(o.asked))
		}
	}
	o.claims = b.answer(b.acme)
	l.say(decision.CertificateRevoked, nil)
	if _, err := b.verifier.VerifyRequest(request(opaque, &b.acme)); reason(t, err) != decision.CertificateRevoked {
		t.Errorf("what the feed says counts too: %v", err)
	}
}
