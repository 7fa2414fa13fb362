package clientauth

import (
	"context"
	"slices"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// verifySelfSigned is self_signed_tls_client_auth, RFC 8705 §2.2: the presented
// certificate equals one that is registered for this client. The comparison is
// over the whole certificate; the chain, the EKU and the CA flags are not asked.
func (a *Authenticator) verifySelfSigned(ctx context.Context, client storage.Client, peer *peercert.Peer) (storage.Certificate, *oauth.Error) {
	registered, err := a.Records.ClientCertificates(ctx, client.ID)
	if err != nil {
		return storage.Certificate{}, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	registered = slices.DeleteFunc(slices.Clone(registered), func(c storage.Certificate) bool { return !c.Credential() })
	for _, certificate := range registered {
		if certificate.Thumbprint.Equal(peer.Thumbprint) {
			return certificate, nil
		}
	}
	if client.JWKSURI != "" && a.Unregistered != nil {
		a.Unregistered(client.ID, peer.Thumbprint)
	}
	refusal := oauth.Refuse(decision.CertificateNotRegistered,
		"the presented certificate is not one of those registered for this client; after a renewal the new certificate must be registered, or published at the client's jwks_uri")
	if len(registered) > 0 {
		refusal.Expected = registered[len(registered)-1].Thumbprint.String()
	}
	refusal.Seen = peer.Thumbprint.String()
	return storage.Certificate{}, refusal
}
