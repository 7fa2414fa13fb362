package resource

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// checkHeader holds the JOSE header to our algorithms and to the access token
// type (RFC 8725 §3.1, §3.11; RFC 9068 §4).
func (v *Verifier) checkHeader(h *accesstoken.Header, e *decision.Evidence) *problem {
	e.KeyID, e.ClaimsUnverified = h.KeyID, true
	if !slices.Contains(v.algorithms, jose.SignatureAlgorithm(h.Algorithm)) {
		return &problem{reason: decision.AlgorithmRefused, expected: v.algorithmList(), seen: h.Algorithm, detail: "the token's alg is not accepted here"}
	}
	if !accesstoken.IsType(h.Type) {
		return &problem{reason: decision.TypeRefused, expected: accesstoken.Type, seen: h.Type, detail: "the token's typ is not that of an access token (RFC 9068 §2.1)"}
	}
	// After alg and typ, so that the usual forgeries are called what they are.
	if h.KeyID == "" {
		return &problem{reason: decision.TokenMalformed, detail: "the token's header has no kid, so no key of the issuer can be chosen"}
	}
	return nil
}

func (v *Verifier) algorithmList() string {
	names := make([]string, len(v.algorithms))
	for i, a := range v.algorithms {
		names[i] = string(a)
	}
	return strings.Join(names, " ")
}

// parseClaims reads the claims; a token without a confirmation is an error
// unless the verifier was told otherwise.
func (v *Verifier) parseClaims(payload []byte) (*accesstoken.Claims, error) {
	if v.allowUnbound {
		return accesstoken.InsecureParseUnbound(payload)
	}
	return accesstoken.Parse(payload)
}

// issuerOf is the issuer whose token this says it is.
func (v *Verifier) issuerOf(c *accesstoken.Claims) (*trust, *problem) {
	if t := v.trusts.byIssuer[c.Issuer]; t != nil {
		return t, nil
	}
	return nil, &problem{reason: decision.IssuerMismatch, expected: v.trusts.names, seen: c.Issuer}
}

// checkClaims compares audience and times (RFC 9068 §4). Leeway is for clocks
// that disagree about when the token was made; nobody gets more time out of it.
func (v *Verifier) checkClaims(t *trust, c *accesstoken.Claims, now time.Time) *problem {
	latestStart := now.Add(v.leeway)
	switch {
	case !slices.Contains(c.Audience, t.Audience):
		return &problem{reason: decision.AudienceMismatch, expected: t.Audience, seen: strings.Join(c.Audience, " ")}
	case !now.Before(c.Expiry):
		return timeProblem(decision.TokenExpired, "exp", c.Expiry, now)
	case c.IssuedAt.After(latestStart):
		return timeProblem(decision.TokenNotYetValid, "iat", c.IssuedAt, now)
	case c.NotBefore.After(latestStart):
		return timeProblem(decision.TokenNotYetValid, "nbf", c.NotBefore, now)
	}
	return nil
}

func timeProblem(reason decision.Reason, claim string, at, now time.Time) *problem {
	return &problem{
		reason:   reason,
		expected: claim + " " + at.UTC().Format(time.RFC3339),
		seen:     "now " + now.UTC().Format(time.RFC3339),
	}
}

// checkBinding compares the token's confirmation with the certificate that the
// caller proved to hold (RFC 8705 §3). A token that names a certificate is never
// accepted without one, and one that names none by a verifier that allows it only:
// the token may be known from another verifier that does.
func (v *Verifier) checkBinding(c *accesstoken.Claims, peer *peercert.Peer) *problem {
	switch {
	case c.Thumbprint.IsZero() && !v.allowUnbound:
		return claimsProblem(fmt.Errorf("%w: there is no cnf claim", accesstoken.ErrUnbound))
	case c.Thumbprint.IsZero():
		return nil
	case peer == nil:
		return &problem{reason: decision.CertificateMissing, expected: c.Thumbprint.String(), detail: "the token is bound and no certificate was presented"}
	case !c.Thumbprint.Equal(peer.Thumbprint):
		return &problem{
			reason: decision.ThumbprintMismatch, expected: c.Thumbprint.String(), seen: peer.Thumbprint.String(),
			detail: "the token belongs to another certificate: it was stolen, or the client renewed its certificate and kept the token",
		}
	}
	return nil
}
