package resource

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// retryAfter is what a caller is told when the issuer cannot be reached for its
// keys or its revocations.
const retryAfter = 5 * time.Second

// problem is a check's verdict before it becomes a [Refusal]. Expected and seen
// are the two sides of a failed comparison.
type problem struct {
	reason         decision.Reason
	detail         string
	expected, seen string
}

// VerifyRequest decides whether r may be served: it carries exactly one access
// token, the token is ours to accept, it is bound to the certificate of r's TLS
// connection, it is signed by its issuer and not revoked, and it grants all of
// scopes. The error is always a [*Refusal]. Nothing is logged here; token and
// refusal carry the decision.
func (v *Verifier) VerifyRequest(r *http.Request, scopes ...string) (*Token, error) {
	// Small enough to be inlined, so that the token needs no allocation in a
	// caller who does not keep it.
	return v.decide(r, Policy{AllOf: scopes}, new(Token))
}

// VerifyPolicy is [Verifier.VerifyRequest] for what a route asks of a token
// besides being good: scopes of which one will do, and introspection.
func (v *Verifier) VerifyPolicy(r *http.Request, p Policy) (*Token, error) {
	return v.decide(r, p, new(Token))
}

// Identify is VerifyRequest as far as it goes without the issuer and without
// scopes: for what stands against a caller before their token is worth a question
// (see [Policy.Introspect]), such as a rate. It lets nothing through. Of an opaque
// token nothing is known before its issuer is asked: the ClientID is empty then.
func (v *Verifier) Identify(r *http.Request) (*Token, error) {
	return v.decide(r, Policy{unasked: true}, new(Token))
}

// decide returns t, filled, for a request that may be served, and a Refusal for
// any other. It keeps neither p nor t, and neither does anything it calls: that
// is what makes a repeated token free of allocations.
func (v *Verifier) decide(r *http.Request, p Policy, t *Token) (*Token, error) {
	now := v.clock()
	t.Decision = decision.New(r, decision.APIRequest, now)
	c := call{now: now, policy: &p, evidence: &t.Decision.Evidence}
	if problem := v.verify(r, c, t); problem != nil {
		return nil, v.refusal(&t.Decision, &p, problem)
	}
	t.Decision.Allow(0, v.clock()) // the status will be the handler's
	return t, nil
}

func (v *Verifier) refusal(d *decision.Decision, policy *Policy, p *problem) *Refusal {
	d.Evidence.Detail, d.Evidence.Expected, d.Evidence.Seen = p.detail, p.expected, p.seen
	refusal := v.refuseWith(*d, p.reason)
	if p.reason == decision.ScopeInsufficient {
		refusal.ScopesNeeded = slices.Clone(policy.scopes())
	}
	return refusal
}

// refuseWith ends a decision with a refusal.
func (v *Verifier) refuseWith(d decision.Decision, reason decision.Reason) *Refusal {
	d.Refuse(reason, reason.AtResourceServer().Status, v.clock())
	refusal := &Refusal{Decision: d, Realm: v.realm}
	switch reason {
	case decision.IssuerKeysUnavailable, decision.RevocationsStale, decision.IntrospectionUnavailable:
		refusal.RetryAfter = retryAfter
	}
	return refusal
}

// call is what the checks of one request have in common.
type call struct {
	now      time.Time
	policy   *Policy
	evidence *decision.Evidence
}

// verify is the pipeline. Cheap checks stand before the signature, so that a
// stranger buys little work with a bad token, and the binding stands before it
// too: a stolen token costs us one comparison. What is known of the token from
// an earlier request spares reading it and verifying its signature, nothing else.
func (v *Verifier) verify(r *http.Request, c call, token *Token) *problem {
	e := c.evidence
	// 1. Exactly one bearer token, in the header.
	raw, p := bearerToken(r)
	if p != nil {
		return p
	}
	tok := v.results.get(raw)
	if tok == nil {
		if p := checkB64Token(raw); p != nil {
			return p
		}
	}
	// 2. The certificate of the connection, as it stands at this moment.
	peer, p := v.peer(r, c.now, e)
	if p != nil {
		claimed(raw, e)
		return p
	}
	// 3. The token's form and header, and its claims, not believed yet.
	if tok == nil {
		if v.isOpaque(raw) {
			if c.policy.unasked {
				return nil
			}
			return v.verifyOpaque(r.Context(), raw, peer, c, token)
		}
		if tok, p = v.read(raw, e); p != nil {
			return p
		}
	}
	if p := v.checkHeader(&tok.header, e); p != nil {
		return p
	}
	unverified(tok, e)
	// 4. Whose it is, for whom, and when.
	trust, p := v.issuerOf(tok.claims)
	if p != nil {
		return p
	}
	if p := v.checkClaims(trust, tok.claims, c.now); p != nil {
		return p
	}
	// 5. The binding (RFC 8705 §3).
	if p := v.checkBinding(tok.claims, peer); p != nil {
		return p
	}
	// 6. The signature.
	if p := v.checkSignature(r.Context(), trust, raw, tok); p != nil {
		return p
	}
	verified(tok.claims, e)
	// 7. Whether it still stands, as far as we have heard.
	if p := trust.checkRevocation(tok.claims, tok.header.KeyID, e); p != nil {
		return p
	}
	// 8. What its issuer says at this moment, where the route asks.
	var answer *accesstoken.Claims
	if c.policy.Introspect {
		if answer, p = v.introspect(r.Context(), trust, raw, tok.claims, peer, c.now); p != nil {
			return p
		}
	}
	// 9. What it allows.
	if p := checkScopes(tok, answer, c.policy, e); p != nil {
		return p
	}
	token.fill(tok, peer)
	if answer != nil {
		token.narrow(answer)
	}
	return nil
}

// read takes a token apart that has not been seen before.
func (v *Verifier) read(raw string, e *decision.Evidence) (*reading, *problem) {
	compact, err := v.decoder.Decode(raw)
	if err != nil {
		return nil, malformed(err)
	}
	// Before the claims, so that the usual forgeries are called what they are.
	if p := v.checkHeader(&compact.Header, e); p != nil {
		return nil, p
	}
	claims, err := v.parseClaims(compact.Payload)
	if err != nil {
		return nil, claimsProblem(err)
	}
	return newReading(compact, claims), nil
}

func malformed(err error) *problem {
	return &problem{reason: decision.TokenMalformed, detail: err.Error()}
}

// claimsProblem tells a token that is bound to nothing from one that cannot be
// read.
func claimsProblem(err error) *problem {
	if errors.Is(err, accesstoken.ErrUnbound) {
		return &problem{reason: decision.TokenUnbound, detail: err.Error()}
	}
	return malformed(err)
}

// peer takes the certificate from the connection and checks what can be said of
// it alone. It is nil without a problem only where unbound tokens are allowed.
func (v *Verifier) peer(r *http.Request, now time.Time, e *decision.Evidence) (*peercert.Peer, *problem) {
	known, err := v.connections.of(r.TLS)
	if errors.Is(err, peercert.ErrMissing) && v.allowUnbound {
		return nil, nil
	}
	if err != nil {
		return nil, certificateProblem(err)
	}
	e.Certificate = known.certificate
	if err := known.peer.Check(now); err != nil {
		return nil, certificateProblem(err)
	}
	return known.peer, nil
}

// certificateReasons maps peercert's verdicts to reasons. authz/clientauth has the
// same five lines: the package that both halves could share would be one more
// for every user of the verifier, or would make decision depend on peercert.
var certificateReasons = []struct {
	err    error
	reason decision.Reason
}{
	{peercert.ErrMissing, decision.CertificateMissing},
	{peercert.ErrMalformed, decision.CertificateMalformed},
	{peercert.ErrExpired, decision.CertificateExpired},
	{peercert.ErrNotYetValid, decision.CertificateNotYetValid},
	{peercert.ErrWeak, decision.CertificateWeak},
}

func certificateProblem(err error) *problem {
	for _, m := range certificateReasons {
		if errors.Is(err, m.err) {
			return &problem{reason: m.reason, detail: err.Error()}
		}
	}
	// A verdict we do not know is a refusal all the same.
	return &problem{reason: decision.CertificateMalformed, detail: err.Error()}
}
