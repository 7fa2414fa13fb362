package resource

import (
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Recheck decides again about a token that VerifyRequest let through, for a
// request that is still being served: a stream may last longer than what it was
// opened with. It looks at the certificate's period, at the revocations and at
// last at the token's expiry, as they are now, without network work; the empty
// reason means that all stands. detail is one sentence for the operator.
//
// The expiry comes last so that a caller who lets a transfer finish behind it
// (token_expired) knows that nothing else speaks against it.
func (v *Verifier) Recheck(t *Token) (reason decision.Reason, detail string) {
	now := v.clock()
	if t.Peer != nil {
		if err := t.Peer.Check(now); err != nil {
			p := certificateProblem(err)
			return p.reason, p.detail
		}
	}
	issuer := v.trusts.byIssuer[t.Issuer]
	if issuer == nil {
		return decision.IssuerMismatch, "the token is of an issuer that this verifier does not know"
	}
	claims := &accesstoken.Claims{
		Issuer: t.Issuer, Subject: t.Subject, ClientID: t.ClientID, Partner: t.Partner, ID: t.ID,
		Generation: t.Generation, Thumbprint: t.Thumbprint, IssuedAt: t.IssuedAt, Expiry: t.Expiry,
	}
	var unused decision.Evidence
	if p := issuer.checkRevocation(claims, t.Decision.Evidence.KeyID, &unused); p != nil {
		return p.reason, p.detail
	}
	if !now.Before(t.Expiry) {
		return decision.TokenExpired, "the token expired while the request was being served"
	}
	return "", ""
}
