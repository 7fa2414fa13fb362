package resource

import (
	"errors"
	"net/http"
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
// connection, it is signed by the issuer and not revoked, and it grants all of
// scopes. The error is always a [*Refusal]. Nothing is logged here; token and
// refusal carry the decision.
func (v *Verifier) VerifyRequest(r *http.Request, scopes ...string) (*Token, error) {
	now := v.clock()
	d := decision.New(r, decision.APIRequest, now)
	token, p := v.verify(r, now, scopes, &d.Evidence)
	if p == nil {
		d.Allow(0, v.clock()) // the status will be the handler's
		token.Decision = d
		return token, nil
	}
	d.Evidence.Detail, d.Evidence.Expected, d.Evidence.Seen = p.detail, p.expected, p.seen
	d.Refuse(p.reason, p.reason.AtResourceServer().Status, v.clock())
	refusal := &Refusal{Decision: d, Realm: v.realm}
	switch p.reason {
	case decision.ScopeInsufficient:
		refusal.ScopesNeeded = scopes
	case decision.IssuerKeysUnavailable, decision.RevocationsStale:
		refusal.RetryAfter = retryAfter
	}
	return nil, refusal
}

// verify is the pipeline. Cheap checks stand before the signature, so that a
// stranger buys little work with a bad token, and the binding stands before it
// too: a stolen token costs us one comparison.
func (v *Verifier) verify(r *http.Request, now time.Time, scopes []string, e *decision.Evidence) (*Token, *problem) {
	// 1. Exactly one bearer token, in the header.
	raw, p := bearerToken(r)
	if p != nil {
		return nil, p
	}
	// 2. The certificate of the connection, as it stands at this moment.
	peer, p := v.peer(r, now, e)
	if p != nil {
		claimed(raw, e)
		return nil, p
	}
	// 3. The token's form and header.
	compact, err := accesstoken.Decode(raw)
	if err != nil {
		return nil, malformed(err)
	}
	if p := v.checkHeader(&compact.Header, e); p != nil {
		return nil, p
	}
	// 4. Its claims, not believed yet.
	claims, err := v.parseClaims(compact.Payload)
	if err != nil {
		return nil, claimsProblem(err)
	}
	unverified(claims, e)
	if p := v.checkClaims(claims, now); p != nil {
		return nil, p
	}
	// 5. The binding (RFC 8705 §3).
	if p := checkBinding(claims, peer); p != nil {
		return nil, p
	}
	// 6. The signature.
	if p := v.checkSignature(r.Context(), compact); p != nil {
		return nil, p
	}
	verified(claims, e)
	// 7. Whether it still stands.
	if p := v.checkRevocation(claims, compact.Header.KeyID, e); p != nil {
		return nil, p
	}
	// 8. What it allows.
	if p := checkScopes(claims, scopes, e); p != nil {
		return nil, p
	}
	return newToken(claims, peer), nil
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
	peer, err := peercert.FromTLS(r.TLS)
	if errors.Is(err, peercert.ErrMissing) && v.allowUnbound {
		return nil, nil
	}
	if err != nil {
		return nil, certificateProblem(err)
	}
	e.Certificate = decision.Certificate{
		Thumbprint: peer.Thumbprint.String(),
		Subject:    peer.Subject(), Issuer: peer.Issuer(), Serial: peer.Serial(),
		NotAfter: peer.Leaf.NotAfter.UTC(),
	}
	if err := peer.Check(now); err != nil {
		return nil, certificateProblem(err)
	}
	return peer, nil
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
