package keyset

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// feedLife is how long resource servers are told of something: until the last
// token it can touch has expired, plus 60 s (design rule 11).
const feedLife = oauth.MaxTokenLifetime + time.Minute

// change is what a set made of a client's certificates.
type change struct {
	added, removed []thumbprint.Thumbprint
	ignored        []string
}

func (c *change) any() bool { return len(c.added)+len(c.removed) > 0 }

// Record is a certificate as the store keeps it.
func Record(clientID string, leaf *x509.Certificate, now time.Time) storage.Certificate {
	return storage.Certificate{
		Thumbprint: thumbprint.Of(leaf), ClientID: clientID, DER: leaf.Raw,
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), CreatedAt: now,
	}
}

// Yield takes a certificate, which somebody is about to register for clientID, from
// a client that merely publishes it at its jwks_uri: to publish another's certificate
// is no claim to it. The publisher's set is read again at once, so that its status
// says that the certificate is another's.
func Yield(ctx context.Context, tx storage.Tx, t thumbprint.Thumbprint, clientID string, now time.Time) error {
	owner, err := tx.Certificate(ctx, t)
	if errors.Is(err, storage.ErrNotFound) || err == nil && !Yields(owner, clientID) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := remove(ctx, tx, owner, now); err != nil {
		return err
	}
	set, err := tx.KeySet(ctx, owner.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	set.DueAt = now
	return tx.UpdateKeySet(ctx, set)
}

// Yields reports whether a certificate on record stands in nobody's way who registers
// it for clientID, because another client merely publishes it.
func Yields(record storage.Certificate, clientID string) bool {
	return record.Source == storage.CertificatePublished && record.ClientID != clientID
}

// Add registers a certificate. When it was taken from this client before, resource
// servers are told that its tokens bound to it are good again; what an administrator
// has revoked stays so, and so does what was taken from another client.
func Add(ctx context.Context, tx storage.Tx, c storage.Certificate, now time.Time) error {
	if c.Source == storage.CertificateRegistered {
		if err := Yield(ctx, tx, c.Thumbprint, c.ClientID, now); err != nil {
			return err
		}
	}
	if err := tx.AddCertificate(ctx, c); err != nil {
		return err
	}
	told, err := tx.Denied(ctx, storage.FeedBinding, binding(c), now)
	if err != nil || !told {
		return err
	}
	revoked, err := tx.CertificateDenied(ctx, c.Thumbprint)
	if err != nil || revoked {
		return err
	}
	return tell(ctx, tx, storage.FeedLift, c, now.Add(feedLife), now)
}

// remove takes a certificate from a client and tells resource servers, as long as
// a token bound to it can live: none outlives its certificate (design rule 10). Only
// this client's tokens are concerned. Anybody can publish a certificate that is
// another's, and take it back; that must end nobody else's tokens.
func remove(ctx context.Context, tx storage.Tx, c storage.Certificate, now time.Time) error {
	if err := tx.RemoveCertificate(ctx, c.ClientID, c.Thumbprint); err != nil {
		return err
	}
	end := now.Add(feedLife)
	if last := c.NotAfter.Add(time.Minute); last.Before(end) {
		end = last
	}
	if !end.After(now) {
		return nil
	}
	return tell(ctx, tx, storage.FeedDeny, c, end, now)
}

// binding is a client's use of a certificate, as the feed names it.
func binding(c storage.Certificate) string { return c.ClientID + " " + c.Thumbprint.String() }

func tell(ctx context.Context, tx storage.Tx, action storage.FeedAction, c storage.Certificate, end, now time.Time) error {
	_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
		Kind: storage.FeedBinding, Action: action, Subject: binding(c), CreatedAt: now, ExpiresAt: end,
	}})
	return err
}

// replace brings a client's certificates to those of the set. One that another
// client has is left out and noted: a certificate belongs to one client. Of two that
// publish the same one it is theirs who has shown it first, which takes its key;
// before anybody has, it is theirs whose set was read first.
func replace(ctx context.Context, tx storage.Tx, clientID string, set *Set, shown func(string, thumbprint.Thumbprint) bool, now time.Time) (change, error) {
	c := change{ignored: slices.Clone(set.Ignored)}
	registered, err := tx.ClientCertificates(ctx, clientID)
	if err != nil {
		return c, err
	}
	for _, certificate := range registered {
		if set.has(certificate.Thumbprint) || certificate.Source == storage.CertificateEnrolled {
			continue
		}
		if err := remove(ctx, tx, certificate, now); err != nil {
			return c, err
		}
		c.removed = append(c.removed, certificate.Thumbprint)
	}
	for _, leaf := range set.Certificates {
		record := Record(clientID, leaf, now)
		record.Source = storage.CertificatePublished
		owner, err := tx.Certificate(ctx, record.Thumbprint)
		if err == nil && Yields(owner, clientID) && owner.FirstSeen.IsZero() && shown(clientID, record.Thumbprint) {
			if err := Yield(ctx, tx, record.Thumbprint, clientID, now); err != nil {
				return c, err
			}
			err = storage.ErrNotFound
		}
		switch {
		case err == nil && owner.ClientID != clientID:
			c.ignored = append(c.ignored, fmt.Sprintf("certificate %s: it is registered for another client", record.Thumbprint))
		case err == nil && owner.Source == storage.CertificateEnrolled:
			c.ignored = append(c.ignored, fmt.Sprintf("certificate %s: it was signed here for tls_client_auth", record.Thumbprint))
		case errors.Is(err, storage.ErrNotFound):
			if err := Add(ctx, tx, record, now); err != nil {
				return c, err
			}
			c.added = append(c.added, record.Thumbprint)
		case err != nil:
			return c, err
		}
	}
	return c, nil
}

func (s *Set) has(t thumbprint.Thumbprint) bool {
	return slices.ContainsFunc(s.Certificates, func(c *x509.Certificate) bool { return thumbprint.Of(c) == t })
}
