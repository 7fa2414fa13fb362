package resource

import (
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Policy is what a route asks of a token that is good. The zero value asks
// nothing more.
type Policy struct {
	// AllOf are scopes that are all needed.
	AllOf []string

	// AnyOf are scopes of which one is needed, in addition to AllOf. Empty asks
	// for none.
	AnyOf []string

	// Introspect asks the token's issuer (RFC 7662) about the token when
	// everything else but the scopes has been checked, on each request, so that
	// the route knows what the issuer knows at that moment. It costs a round trip
	// and refuses with 503 introspection_unavailable while the issuer cannot be
	// asked. The issuer must have an Introspection: see [Verifier.CheckPolicy].
	Introspect bool

	// unasked passes an opaque token over, see [Verifier.Identify].
	unasked bool
}

// CheckPolicy reports what would make p refuse everybody, or what cannot be
// meant: for programs that read policies from a file, when they start.
func (v *Verifier) CheckPolicy(p Policy) error {
	for _, list := range [][]string{p.AllOf, p.AnyOf} {
		for i, scope := range list {
			if !accesstoken.IsScopeToken(scope) {
				return fmt.Errorf("resource: %q is not a scope (RFC 6749 §3.3)", scope)
			}
			if slices.Contains(list[:i], scope) {
				return fmt.Errorf("resource: scope %q is listed twice", scope)
			}
		}
	}
	if !p.Introspect {
		return nil
	}
	for _, t := range v.trusts.byIssuer {
		if t.Introspection != nil {
			return nil
		}
	}
	return errors.New("resource: Introspect is asked for and no issuer has an Introspection")
}

// scopes are those that a refusal names: RFC 6750 §3 has one list for "these
// would do".
func (p *Policy) scopes() []string {
	if len(p.AnyOf) == 0 {
		return p.AllOf
	}
	return slices.Concat(p.AllOf, p.AnyOf)
}

// lacks is the first thing in p that a token with the scopes held has not; ""
// when it has all of it.
func (p *Policy) lacks(held []string) string {
	for _, scope := range p.AllOf {
		if !slices.Contains(held, scope) {
			return "the token lacks the scope " + scope
		}
	}
	if len(p.AnyOf) == 0 {
		return ""
	}
	for _, scope := range p.AnyOf {
		if slices.Contains(held, scope) {
			return ""
		}
	}
	return "the token has none of the scopes of which one is needed"
}

// checkScopes runs last: a bad token is 401 even where its scopes would not do
// either. What the issuer's answer no longer grants is gone; answer is nil where
// nobody asked.
func checkScopes(t *reading, answer *accesstoken.Claims, p *Policy, e *decision.Evidence) *problem {
	e.ScopesNeeded, e.ScopesHeld = t.needed(p), t.scopes
	if lack := p.lacks(t.claims.Scopes); lack != "" {
		return &problem{reason: decision.ScopeInsufficient, detail: lack}
	}
	if answer == nil {
		return nil
	}
	if lack := p.lacks(answer.Scopes); lack != "" {
		e.ScopesHeld = answer.Scopes
		return &problem{reason: decision.ScopeInsufficient, detail: "by the issuer's answer, " + lack}
	}
	return nil
}

// common is what is in both, as a slice of its own.
func common(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// Refuse turns the decision about a verified token into a refusal, for what an
// API asks beyond the token itself: that the client is on a list, or within its
// rate, or for what [Verifier.Recheck] has found since. The evidence stays; detail
// is one sentence for the operator. Like VerifyRequest it logs nothing.
func (v *Verifier) Refuse(t *Token, reason decision.Reason, detail string) *Refusal {
	d := t.Decision
	d.Evidence.Detail = detail
	return v.refuseWith(d, reason)
}

// InsecureAllowingUnbound returns a verifier that shares everything with v but
// also accepts tokens without a cnf claim, as Config.InsecureAllowUnbound says. It
// MUST NOT be used where certificate-bound tokens are expected; it is there for
// an API of which one part is open to clients that cannot bind.
func (v *Verifier) InsecureAllowingUnbound() *Verifier {
	lax := *v
	lax.allowUnbound = true
	return &lax
}
