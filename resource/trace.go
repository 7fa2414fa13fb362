package resource

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Outcome of one [Step].
type Outcome string

// The outcomes. A step is not checked when what it would look at cannot be read,
// or when the verifier has nothing to compare it with.
const (
	Passed     Outcome = "ok"
	Failed     Outcome = "failed"
	NotChecked Outcome = "not checked"
)

// The checks of a verifier, in their order.
const (
	StepAuthorization = "authorization"
	StepCertificate   = "certificate"
	StepPeriod        = "certificate_period"
	StepStrength      = "certificate_strength"
	StepForm          = "token_form"
	StepAlgorithm     = "algorithm"
	StepType          = "type"
	StepKeyID         = "key_id"
	StepClaims        = "claims"
	StepIssuer        = "issuer"
	StepAudience      = "audience"
	StepExpiry        = "expiry"
	StepIssuedAt      = "issued_at"
	StepNotBefore     = "not_before"
	StepBinding       = "binding"
	StepSignature     = "signature"
	StepRevocation    = "revocation"
	StepScopes        = "scopes"
)

// Step is one check as [Verifier.Trace] made it. It holds claims, thumbprints and
// names, never the token or its signature.
type Step struct {
	Check    string          `json:"check"`
	Outcome  Outcome         `json:"outcome"`
	Reason   decision.Reason `json:"reason,omitempty"` // of a failed step
	Expected string          `json:"expected,omitempty"`
	Seen     string          `json:"seen,omitempty"`
	Detail   string          `json:"detail,omitempty"`
}

// Trace makes the checks of [Verifier.VerifyRequest] in its order, with its code,
// and goes on after one has failed, for whoever has to explain a refusal. The
// reason of its first failed step is that of VerifyRequest, but that no issuer is
// asked about a token: of an opaque one there is little to say. It is no decision:
// nothing may be served because of it.
func (v *Verifier) Trace(r *http.Request, scopes ...string) []Step {
	t := &trace{v: v, r: r, now: v.clock(), scopes: scopes}
	raw, p := bearerToken(r)
	if p == nil {
		p = checkB64Token(raw)
	}
	t.add(StepAuthorization, "one bearer token in the Authorization header", "", p)
	t.certificate()
	if p != nil {
		t.skip("there is no token", allSteps[slices.Index(allSteps, StepForm):]...)
		return t.steps
	}
	if v.isOpaque(raw) {
		t.skip("the token is opaque: only its issuer can say what it is", allSteps[slices.Index(allSteps, StepForm):]...)
		return t.steps
	}
	t.token(raw)
	return t.steps
}

// allSteps is what Trace returns, always all of it.
var allSteps = []string{
	StepAuthorization, StepCertificate, StepPeriod, StepStrength, StepForm, StepAlgorithm, StepType, StepKeyID,
	StepClaims, StepIssuer, StepAudience, StepExpiry, StepIssuedAt, StepNotBefore, StepBinding, StepSignature,
	StepRevocation, StepScopes,
}

type trace struct {
	v        *Verifier
	r        *http.Request
	now      time.Time
	scopes   []string
	steps    []Step
	peer     *peercert.Peer
	trust    *trust            // the issuer of the token, as far as it can be known
	evidence decision.Evidence // filled by the checks, not looked at
}

// add notes a check. What the problem says of the two sides goes before what is
// given here for the case that all is well.
func (t *trace) add(check, expected, seen string, p *problem) {
	s := Step{Check: check, Outcome: Passed, Expected: expected, Seen: seen}
	if p != nil {
		s.Outcome, s.Reason, s.Detail = Failed, p.reason, p.detail
		if p.expected != "" {
			s.Expected = p.expected
		}
		if p.seen != "" {
			s.Seen = p.seen
		}
	}
	t.steps = append(t.steps, s)
}

func (t *trace) skip(why string, checks ...string) {
	for _, check := range checks {
		t.steps = append(t.steps, Step{Check: check, Outcome: NotChecked, Detail: why})
	}
}

// certificate is [Verifier.peer], each check on its own.
func (t *trace) certificate() {
	peer, p := t.v.peer(t.r, t.now, &t.evidence)
	if p == nil && peer == nil {
		t.skip("there is none, and unbound tokens are allowed", StepCertificate, StepPeriod, StepStrength)
		return
	}
	found, err := peercert.FromTLS(t.r.TLS)
	if err != nil {
		t.add(StepCertificate, "a client certificate", "", certificateProblem(err))
		t.skip("there is no certificate that can be used", StepPeriod, StepStrength)
		return
	}
	t.peer = found
	t.add(StepCertificate, "a client certificate", found.Subject(), nil)
	if p != nil && p.reason == decision.CertificateWeak {
		p = nil // which is the step after
	}
	t.add(StepPeriod, stamp(found.Leaf.NotBefore)+" to "+stamp(found.Leaf.NotAfter), "now "+stamp(t.now), p)
	var weak *problem
	if err := peercert.CheckStrength(found.Leaf); err != nil {
		weak = certificateProblem(err)
	}
	t.add(StepStrength, "RSA 2048, P-256, Ed25519 or better; SHA-256 or better",
		found.Leaf.PublicKeyAlgorithm.String()+", "+found.Leaf.SignatureAlgorithm.String(), weak)
}

func (t *trace) token(raw string) {
	compact, err := accesstoken.Decode(raw)
	if err != nil {
		t.add(StepForm, "a signed JWT in compact form", "", malformed(err))
		t.skip("the token cannot be read", allSteps[slices.Index(allSteps, StepAlgorithm):]...)
		return
	}
	t.add(StepForm, "a signed JWT in compact form", "", nil)
	t.header(&compact.Header)
	claims := t.claims(compact.Payload)
	// What is read here goes no further: a verdict of the trace is nobody's else.
	tok := newReading(compact, claims)
	if t.v.checkHeader(&compact.Header, &t.evidence) != nil {
		t.skip("the header lets no key be chosen", StepSignature)
	} else {
		_, p := t.trust.signer(t.r.Context(), raw, tok)
		t.add(StepSignature, "by a key of "+t.trust.Issuer.Issuer, "kid "+compact.Header.KeyID, p)
	}
	t.revocation(claims, compact.Header.KeyID)
	p := checkScopes(tok, nil, &Policy{AllOf: t.scopes}, &t.evidence)
	t.add(StepScopes, strings.Join(t.scopes, " "), strings.Join(claims.Scopes, " "), p)
}

// header asks checkHeader about one parameter at a time: the others are good ones.
func (t *trace) header(h *accesstoken.Header) {
	with := func(change func(*accesstoken.Header)) *problem {
		good := accesstoken.Header{Algorithm: string(t.v.algorithms[0]), Type: accesstoken.Type, KeyID: "kid"}
		change(&good)
		return t.v.checkHeader(&good, &t.evidence)
	}
	t.add(StepAlgorithm, t.v.algorithmList(), h.Algorithm, with(func(g *accesstoken.Header) { g.Algorithm = h.Algorithm }))
	t.add(StepType, accesstoken.Type, h.Type, with(func(g *accesstoken.Header) { g.Type = h.Type }))
	t.add(StepKeyID, "a kid", h.KeyID, with(func(g *accesstoken.Header) { g.KeyID = h.KeyID }))
}

// claims makes steps of the claims and the binding, and returns what could be
// read of them.
func (t *trace) claims(payload []byte) *accesstoken.Claims {
	_, err := t.v.parseClaims(payload)
	if err == nil {
		t.add(StepClaims, "the claims of RFC 9068 and cnf", "", nil)
	} else {
		t.add(StepClaims, "the claims of RFC 9068 and cnf", "", claimsProblem(err))
	}
	claims, faults := accesstoken.Inspect(payload)
	// Whose the token is not is compared with the first: there is nothing nearer.
	if t.trust = t.v.trusts.byIssuer[claims.Issuer]; t.trust == nil {
		t.trust = t.v.trusts.first
	}
	t.compare(claims, faults)
	switch {
	case unreadable(faults, "cnf"):
		t.skip("cnf cannot be used", StepBinding)
	case t.peer == nil && t.v.allowUnbound:
		t.add(StepBinding, claims.Thumbprint.String(), "", t.v.checkBinding(claims, nil))
	case t.peer == nil:
		t.skip("there is no certificate", StepBinding)
	default:
		t.add(StepBinding, claims.Thumbprint.String(), t.peer.Thumbprint.String(), t.v.checkBinding(claims, t.peer))
	}
	return claims
}

// compare asks checkClaims about one claim at a time.
func (t *trace) compare(c *accesstoken.Claims, faults []accesstoken.Fault) {
	latest := stamp(t.now.Add(t.v.leeway)) + " at the latest"
	for _, one := range []struct {
		check, claim   string
		expected, seen string
		take           func(*accesstoken.Claims)
	}{
		{StepIssuer, "iss", t.v.trusts.names, c.Issuer, func(g *accesstoken.Claims) { g.Issuer = c.Issuer }},
		{StepAudience, "aud", t.trust.Audience, strings.Join(c.Audience, " "), func(g *accesstoken.Claims) { g.Audience = c.Audience }},
		{StepExpiry, "exp", "after " + stamp(t.now), stamp(c.Expiry), func(g *accesstoken.Claims) { g.Expiry = c.Expiry }},
		{StepIssuedAt, "iat", latest, stamp(c.IssuedAt), func(g *accesstoken.Claims) { g.IssuedAt = c.IssuedAt }},
		{StepNotBefore, "nbf", latest, stamp(c.NotBefore), func(g *accesstoken.Claims) { g.NotBefore = c.NotBefore }},
	} {
		if unreadable(faults, one.claim) {
			t.skip(one.claim+" cannot be read", one.check)
			continue
		}
		good := accesstoken.Claims{Issuer: t.trust.Issuer.Issuer, Audience: []string{t.trust.Audience}, IssuedAt: t.now, Expiry: t.now.Add(time.Second)}
		one.take(&good)
		_, p := t.v.issuerOf(&good)
		if p == nil {
			p = t.v.checkClaims(t.trust, &good, t.now)
		}
		if p != nil && p.detail == "" {
			p.expected, p.seen = one.expected, one.seen
		}
		t.add(one.check, one.expected, one.seen, p)
	}
}

// unreadable reports whether the claim, or all of them, could not be read.
func unreadable(faults []accesstoken.Fault, claim string) bool {
	return slices.ContainsFunc(faults, func(f accesstoken.Fault) bool { return f.Claim == claim || f.Claim == "" })
}

func (t *trace) revocation(c *accesstoken.Claims, keyID string) {
	if t.trust.Revocations == nil {
		t.skip("no revocations are known here", StepRevocation)
		return
	}
	t.add(StepRevocation, "not revoked", "", t.trust.checkRevocation(c, keyID, &t.evidence))
}

// stamp writes a time; none is "".
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
