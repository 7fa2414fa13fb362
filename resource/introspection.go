package resource

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Introspector asks an issuer about a token (RFC 7662). Package introspection has
// one; a [Policy] says which requests ask it.
type Introspector interface {
	// Introspect returns what the issuer says about the token, and whether it is
	// active. The claims count only when it is, and their Thumbprint is zero when
	// the issuer confirms none. An error that wraps accesstoken.ErrUnbound means
	// that the token is confirmed by another method; any other error means that
	// the issuer could not be asked, and nothing is served.
	//
	// It is called once per request that asks, without any memory of good tokens here,
	// so that one is good for not a moment longer than its issuer says.
	Introspect(ctx context.Context, token string) (claims *accesstoken.Claims, active bool, err error)
}

// introspect asks the issuer about a token that has passed every check of ours.
// The answer is held to the same rules as the token: a good signature says who
// issued it, and not that the answer is about this token and this certificate
// (RFC 8705 §3.2).
func (v *Verifier) introspect(ctx context.Context, t *trust, raw string, c *accesstoken.Claims, peer *peercert.Peer, now time.Time) (*accesstoken.Claims, *problem) {
	answer, p := v.ask(ctx, t, raw, peer, now, true)
	switch {
	case p != nil:
		return nil, p
	case !c.Thumbprint.IsZero() && answer.Thumbprint.IsZero():
		return nil, &problem{reason: decision.TokenUnbound, expected: c.Thumbprint.String(), detail: "the token is bound, and the issuer's answer about it confirms no certificate"}
	case answer.ClientID != c.ClientID, answer.ID != "" && answer.ID != c.ID:
		return nil, &problem{
			reason: decision.IntrospectionUnavailable, expected: c.ClientID + " " + c.ID, seen: answer.ClientID + " " + answer.ID,
			detail: "the issuer's answer is about another token",
		}
	}
	return answer, nil
}

// ask gets the issuer's answer and checks what can be said of it alone: active,
// issuer, audience, times, and its confirmation against the certificate of this
// request, as if it were a token. vouched is said of a token that was verified before.
func (v *Verifier) ask(ctx context.Context, t *trust, raw string, peer *peercert.Peer, now time.Time, vouched bool) (*accesstoken.Claims, *problem) {
	if t.Introspection == nil {
		return nil, &problem{reason: decision.IntrospectionUnavailable, detail: "the route asks for introspection, and none is configured for the token's issuer"}
	}
	leave := t.gate.enter(callerOf(peer), vouched, now)
	if leave == nil {
		return nil, &problem{reason: decision.IntrospectionUnavailable, detail: "too many questions are under way for this certificate, or for all that have shown no good token yet"}
	}
	defer leave() // an Introspector that panics, which net/http survives, must not keep the place
	answer, active, err := t.Introspection.Introspect(ctx, raw)
	switch {
	case errors.Is(err, accesstoken.ErrUnbound):
		return nil, &problem{reason: decision.TokenUnbound, detail: err.Error()}
	case err != nil:
		return nil, &problem{reason: decision.IntrospectionUnavailable, detail: err.Error()}
	case !active:
		return nil, &problem{reason: decision.TokenInactive, detail: "the issuer says that the token is not active"}
	case answer == nil:
		return nil, &problem{reason: decision.IntrospectionUnavailable, detail: "the introspector says active and nothing else"}
	case answer.Issuer != t.Issuer.Issuer:
		return nil, &problem{reason: decision.IssuerMismatch, expected: t.Issuer.Issuer, seen: answer.Issuer}
	}
	if p := v.checkClaims(t, answer, now); p != nil {
		return nil, p
	}
	if p := v.checkBinding(answer, peer); p != nil {
		return nil, p
	}
	return answer, nil
}

// isOpaque reports whether a token is none of ours to read: it has not the form of
// a JWT, and there is an issuer whose tokens need not have it.
func (v *Verifier) isOpaque(raw string) bool {
	return v.trusts.opaque != nil && strings.Count(raw, ".") != 2
}

// verifyOpaque decides about a token that says nothing itself.
func (v *Verifier) verifyOpaque(ctx context.Context, raw string, peer *peercert.Peer, c call, token *Token) *problem {
	t := v.trusts.opaque
	switch {
	case len(raw) > accesstoken.MaxSize:
		return &problem{reason: decision.TokenMalformed, detail: "the opaque token is longer than a token may be"}
	case len(raw) < minOpaque:
		return &problem{reason: decision.TokenMalformed, detail: "the opaque token is too short to be one"}
	case t.gate.isDead(raw, c.now):
		return &problem{reason: decision.TokenInactive, detail: "the issuer said a moment ago that the token is not active"}
	}
	answer, p := v.ask(ctx, t, raw, peer, c.now, false)
	if p != nil {
		if p.reason == decision.TokenInactive {
			t.gate.dead(callerOf(peer), raw, v.clock()) // from when it was said
		}
		return p
	}
	tok := newReading(new(accesstoken.Compact), answer)
	unverified(tok, c.evidence)
	verified(answer, c.evidence)
	if p := t.checkRevocation(answer, "", c.evidence); p != nil {
		return p
	}
	t.gate.vouch(callerOf(peer), c.now)
	if p := checkScopes(tok, nil, c.policy, c.evidence); p != nil {
		return p
	}
	token.fill(tok, peer)
	return nil
}
