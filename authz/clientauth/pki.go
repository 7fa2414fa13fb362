package clientauth

import (
	"errors"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// verifyPKI is tls_client_auth, RFC 8705 §2.1: a valid path to the trust bundle
// this client is pinned to, then the one registered subject value, which only
// the end-entity certificate can satisfy.
func (a *Authenticator) verifyPKI(client storage.Client, peer *peercert.Peer, evidence *decision.Evidence) *oauth.Error {
	bundle, ok := a.Trust.Get(client.TrustBundle)
	if !ok {
		return oauth.Refuse(decision.CertificateUntrusted, "the client's trust bundle is not active")
	}
	evidence.TrustBundle = bundle.String()

	now := a.Clock()
	if err := bundle.Verify(peer.Leaf, peer.Intermediates, now); err != nil {
		reason := pathReason(err)
		// Only a version of the client's own bundle counts: what other bundles
		// once accepted says nothing about this client.
		if a.Trust.AcceptedByRetired(client.TrustBundle, peer.Leaf, peer.Intermediates, now) {
			reason = decision.RetiredBundle
		}
		return oauth.RefuseFor(reason, err)
	}

	if a.descriptions.matched(peer.Thumbprint, client.Matcher) {
		return nil
	}
	match := matches(client.Matcher, peer.Leaf)
	if !match.ok {
		return &oauth.Error{
			Reason: decision.SubjectMismatch, Expected: match.expected, Seen: match.seen,
			Detail: match.detail,
		}
	}
	return nil
}

// pathReason turns the verdict of path validation into a reason.
func pathReason(err error) decision.Reason {
	switch {
	case errors.Is(err, trust.ErrWrongUsage):
		return decision.CertificateWrongUsage
	case errors.Is(err, trust.ErrChainIncomplete):
		return decision.ChainIncomplete
	default:
		return decision.CertificateUntrusted
	}
}
