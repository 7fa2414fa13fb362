package resource

import (
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// unverified notes what an unverified token says, marked as such: an operator
// who looks up a refusal wants to know whose token it claims to be.
func unverified(t *reading, e *decision.Evidence) {
	e.ClaimsUnverified = true
	e.ClaimedClientID = t.claims.ClientID
	e.Issuer, e.Audience, e.TokenID = t.claims.Issuer, t.audience, t.claims.ID
}

// verified turns the claims into facts.
func verified(c *accesstoken.Claims, e *decision.Evidence) {
	e.ClaimsUnverified = false
	e.ClaimedClientID = ""
	e.ClientID, e.Partner = c.ClientID, c.Partner
}

// claimed notes what it can of a token whose request is refused already, for a
// reason of its certificate. A token that cannot be read adds nothing.
func claimed(raw string, e *decision.Evidence) {
	compact, err := accesstoken.Decode(raw)
	if err != nil {
		return
	}
	e.KeyID, e.ClaimsUnverified = compact.Header.KeyID, true
	if claims, err := accesstoken.InsecureParseUnbound(compact.Payload); err == nil {
		unverified(newReading(compact, claims), e)
	}
}
