package resource

import (
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Revocations knows which tokens are dead before they expire. A follower of the
// issuer's feed, package revokefeed, is one.
type Revocations interface {
	// Check returns why the token with these verified claims, signed with the key
	// keyID, is dead: token_revoked, certificate_revoked or client_disabled; ""
	// when it is not known to be. An error means that what is known is too old, or
	// nothing. It runs on every request and must answer from memory, and it must
	// not change c, which other requests read. keyID is empty for an opaque token.
	Check(c *accesstoken.Claims, keyID string) (decision.Reason, error)
}

// checkRevocation asks on every request and remembers nothing: a revocation
// reaches connections that are open, too. What is known to be dead stays dead
// however old the knowledge is, so the reason goes before the error.
func (t *trust) checkRevocation(c *accesstoken.Claims, keyID string, e *decision.Evidence) *problem {
	if t.Revocations == nil {
		return nil
	}
	reason, err := t.Revocations.Check(c, keyID)
	switch {
	case reason != "":
		return &problem{reason: reason, detail: revocationDetails[reason]}
	case err != nil && t.InsecureServeStale:
		e.Detail = "served although revocations are stale: " + err.Error()
	case err != nil:
		return &problem{reason: decision.RevocationsStale, detail: err.Error()}
	}
	return nil
}

// revocationDetails say what was found.
var revocationDetails = map[decision.Reason]string{
	decision.TokenRevoked:       "the token, or the key that signed it, has been revoked",
	decision.CertificateRevoked: "the certificate that the token is bound to has been revoked",
	decision.ClientDisabled:     "the token is of a generation of its client that is no longer valid",
}
