package clientauth

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// onRecord looks up the certificate of a tls_client_auth client that has proved its
// path and subject. Being on record gives nothing; it can only take away: a
// certificate that somebody registered for one client is no other's, and a client
// may be registered so that others than those on record are refused. What another
// client publishes at its jwks_uri takes nothing away: certificates are no secret,
// and anybody can publish this one.
func (a *Authenticator) onRecord(ctx context.Context, client storage.Client, peer *peercert.Peer) (storage.Certificate, *oauth.Error) {
	record, err := a.Records.Certificate(ctx, peer.Thumbprint)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return storage.Certificate{}, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	ours := err == nil && record.Registered() && record.ClientID == client.ID
	known := ours || err == nil && record.Registered() && record.Source != storage.CertificatePublished
	switch {
	case known && !ours:
		return storage.Certificate{}, &oauth.Error{
			Reason: decision.CertificateNotRegistered, Seen: peer.Thumbprint.String(),
			Detail: "the certificate is registered for another client; one certificate belongs to one client",
		}
	case client.RegisteredOnly && !ours:
		return storage.Certificate{}, &oauth.Error{
			Reason: decision.CertificateNotRegistered, Seen: peer.Thumbprint.String(),
			Detail: "the client takes certificates that are registered first (certificates: registered_only), and this is none of them",
		}
	case err == nil && record.ClientID == client.ID:
		return record, nil
	}
	return storage.Certificate{}, nil
}

// until is when the certificate stops being accepted. Once that has passed it is
// refused, on open connections as well.
func (a *Authenticator) until(peer *peercert.Peer, record storage.Certificate) (time.Time, *oauth.Error) {
	end := peer.Leaf.NotAfter
	if record.RetireAt.IsZero() || record.RetireAt.After(end) {
		return end, nil
	}
	if !a.Clock().Before(record.RetireAt) {
		return end, &oauth.Error{
			Reason: decision.CertificateRetired, Seen: peer.Thumbprint.String(),
			Detail: "the certificate was to be replaced, and is accepted no more since " + record.RetireAt.Format(time.RFC3339),
		}
	}
	return record.RetireAt, nil
}
