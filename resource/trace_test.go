package resource_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// verdict is the reason of the first failed step, which must be VerifyRequest's.
func verdict(steps []resource.Step) decision.Reason {
	i := slices.IndexFunc(steps, func(s resource.Step) bool { return s.Outcome == resource.Failed })
	if i < 0 {
		return ""
	}
	return steps[i].Reason
}

// agree compares Trace with VerifyRequest on one request.
func (b *bench) agree(t *testing.T, r *http.Request, scopes ...string) []resource.Step {
	t.Helper()
	steps := b.verifier.Trace(r, scopes...)
	_, err := b.verifier.VerifyRequest(r, scopes...)
	var want decision.Reason
	if refusal := (*resource.Refusal)(nil); errors.As(err, &refusal) {
		want = refusal.Decision.Reason
	}
	if got := verdict(steps); got != want {
		t.Errorf("Trace says %q, VerifyRequest %q: %+v", got, want, steps)
	}
	if len(steps) != 18 {
		t.Errorf("%d steps, want 18", len(steps))
	}
	for _, s := range steps {
		if (s.Outcome == resource.Failed) != (s.Reason != "") {
			t.Errorf("step %+v", s)
		}
	}
	return steps
}

func find(t *testing.T, steps []resource.Step, check string) resource.Step {
	t.Helper()
	i := slices.IndexFunc(steps, func(s resource.Step) bool { return s.Check == check })
	if i < 0 {
		t.Fatalf("no step %s", check)
	}
	return steps[i]
}

func TestTraceAgreesWithTheVerifier(t *testing.T) {
	b := newBench(t)
	sign := func(header, claims object) string { return b.sign(header.text(), claims.text()) }
	h, c := b.header(), b.claims(b.acme)
	good := b.token(b.acme)
	weak := b.ca.Client(t, keystest.RSA(1024))
	expired := b.ca.Client(t, keystest.Expired())
	old := b.ca.Client(t, keystest.RSA(1024), keystest.Expired())
	for name, r := range map[string]*http.Request{
		"good":                    request(good, &b.acme),
		"no certificate":          request(good, nil),
		"another certificate":     request(good, &b.mallory),
		"weak certificate":        request(b.token(weak), &weak),
		"expired certificate":     request(b.token(expired), &expired),
		"weak and expired":        request(b.token(old), &old),
		"two headers":             requestWith(good, &b.acme, func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }),
		"no token":                requestWith(good, &b.acme, func(r *http.Request) { r.Header.Del("Authorization") }),
		"opaque":                  request("opaque", &b.acme),
		"no b64token":             request(good+" x", &b.acme),
		"neither":                 request("a b", nil),
		"expired, no b64token":    request(good+",", &expired),
		"alg none":                request(sign(h.with("alg", "none"), c), &b.acme),
		"alg and typ":             request(sign(h.with("alg", "HS256").with("typ", "JWT"), c), &b.acme),
		"no kid":                  request(sign(h.with("kid", nil), c), &b.acme),
		"unknown kid":             request(sign(h.with("kid", "k2"), c), &b.acme),
		"cty":                     request(sign(h.with("cty", "JWT"), c), &b.acme),
		"unbound":                 request(sign(h, c.with("cnf", nil)), &b.acme),
		"unbound and no iss":      request(sign(h, c.with("cnf", nil).with("iss", nil)), &b.acme),
		"bound by another method": request(sign(h, c.with("cnf", object{"jkt": "x"})), &b.acme),
		"hex":                     request(sign(h, c.with("cnf", object{"x5t#S256": strings.Repeat("a1", 32)})), &b.acme),
		"no exp, wrong aud":       request(sign(h, c.with("exp", nil).with("aud", "x")), &b.acme),
		"issuer":                  request(sign(h, c.with("iss", issuerURL+"/")), &b.acme),
		"audience":                request(sign(h, c.with("aud", audience+"/")), &b.acme),
		"expired":                 request(sign(h, c.with("exp", b.now.Unix())), &b.acme),
		"issued later":            request(sign(h, c.with("iat", b.now.Unix()+11)), &b.acme),
		"valid later":             request(sign(h, c.with("nbf", b.now.Unix()+11)), &b.acme),
		"signature":               request(good[:len(good)-86]+strings.Repeat("A", 86), &b.acme),
		"payload is a list":       request(b.sign(h.text(), "[]"), &b.acme),
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range b.agree(t, r, "accounts:read") {
				if strings.Contains(s.Seen+s.Detail, good[len(good)-20:]) {
					t.Errorf("the signature is shown: %+v", s)
				}
			}
			b.agree(t, r, "accounts:write")
		})
	}
}

func requestWith(token string, pair *keystest.Pair, change func(*http.Request)) *http.Request {
	r := request(token, pair)
	change(r)
	return r
}

func TestTraceGoesOn(t *testing.T) {
	b := newBench(t)
	claims := b.claims(b.mallory).with("aud", "https://API.example").with("exp", b.now.Unix()-30)
	steps := b.agree(t, request(b.sign(b.header().text(), claims.text()), &b.acme))
	for check, want := range map[string]resource.Outcome{
		resource.StepIssuer: resource.Passed, resource.StepAudience: resource.Failed, resource.StepExpiry: resource.Failed,
		resource.StepIssuedAt: resource.Passed, resource.StepBinding: resource.Failed, resource.StepSignature: resource.Passed,
		resource.StepRevocation: resource.NotChecked, resource.StepScopes: resource.Passed,
	} {
		if got := find(t, steps, check); got.Outcome != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	// A claim that cannot be read takes only its own step along.
	claims = claims.with("cnf", object{"x5t#S256": "x"}).with("iat", "soon")
	steps = b.agree(t, request(b.sign(b.header().text(), claims.text()), &b.acme))
	for check, want := range map[string]resource.Outcome{
		resource.StepClaims: resource.Failed, resource.StepAudience: resource.Failed,
		resource.StepIssuedAt: resource.NotChecked, resource.StepBinding: resource.NotChecked,
	} {
		if got := find(t, steps, check); got.Outcome != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

func TestTraceWhereUnboundIsAllowed(t *testing.T) {
	b := newBench(t, func(c *resource.Config) { c.InsecureAllowUnbound = true })
	b.agree(t, request(b.token(b.acme), nil))
	b.agree(t, request(b.token(b.acme), &b.mallory))
	b.agree(t, request(b.sign(b.header().text(), b.claims(b.acme).with("cnf", nil).text()), nil))
}

// TestTraceOfOpaqueTokens: what only the issuer can say is not made up.
func TestTraceOfOpaqueTokens(t *testing.T) {
	b := newBench(t, func(c *resource.Config) { c.Introspection, c.AcceptOpaque = &oracle{}, true })
	steps := b.verifier.Trace(request("opaque", &b.acme))
	if got := verdict(steps); got != "" || len(steps) != 18 {
		t.Errorf("%q: %+v", got, steps)
	}
	if s := find(t, steps, resource.StepForm); s.Outcome != resource.NotChecked || s.Detail != "the token is opaque: only its issuer can say what it is" {
		t.Errorf("%+v", s)
	}
	if got := verdict(b.verifier.Trace(request("opaque", nil))); got != decision.CertificateMissing {
		t.Errorf("without a certificate: %q", got)
	}
	b.agree(t, request(b.token(b.acme), &b.mallory))
}

// FuzzTrace holds Trace to VerifyRequest on tokens that the issuer did sign.
func FuzzTrace(f *testing.F) {
	b := newBench(f)
	f.Add(b.header().text(), b.claims(b.acme).text())
	f.Add(b.header().with("typ", 1).text(), b.claims(b.mallory).with("aud", []string{}).text())
	f.Add(`{"alg":"none"}`, `{"cnf":{}}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		b.agree(t, request(b.sign(header, payload), &b.acme), "accounts:read")
	})
}
