package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// ExpiringCertificates implements storage.CertificateReader.
func (r reader) ExpiringCertificates(ctx context.Context, after storage.CertificateCursor, until time.Time, limit int) ([]storage.Certificate, error) {
	if limit < 1 {
		return nil, fmt.Errorf("storage: certificates: limit %d is not positive", limit)
	}
	return list(ctx, r, selectCertificate+`
		WHERE (not_after, thumbprint) > ($1, $2) AND not_after <= $3 ORDER BY not_after, thumbprint LIMIT $4`,
		[]any{after.NotAfter.Unix(), after.Thumbprint[:], until.Unix(), limit}, scanCertificate)
}

// CountExpiringCertificates implements storage.CertificateReader.
func (r reader) CountExpiringCertificates(ctx context.Context, now, until time.Time) (n int64, err error) {
	err = r.one(ctx, `SELECT count(*) FROM certificates WHERE not_after > $1 AND not_after <= $2`, []any{now.Unix(), until.Unix()}, &n)
	return n, err
}

// CertificatesInUse implements storage.CertificateReader.
func (r reader) CertificatesInUse(ctx context.Context, trustBundle string, after storage.SeenCursor, limit int) ([]storage.Certificate, error) {
	if err := positive("certificates in use", limit); err != nil {
		return nil, err
	}
	return list(ctx, r, selectCertificate+`
		WHERE last_seen_at IS NOT NULL AND (last_seen_at, thumbprint) > ($1, $2) AND (SELECT trust_bundle FROM clients c WHERE c.id = client_id) = $3
		ORDER BY last_seen_at, thumbprint LIMIT $4`,
		[]any{after.LastSeen.Unix(), after.Thumbprint[:], trustBundle, limit}, scanCertificate)
}

// ClientsSharing implements storage.CertificateReader.
func (r reader) ClientsSharing(ctx context.Context, trustBundle string, since time.Time) ([]string, error) {
	return list(ctx, r, `SELECT id FROM clients WHERE trust_bundle = $1 AND shared_at >= $2 ORDER BY id`, []any{trustBundle, since.Unix()},
		func(scan func(...any) error) (id string, err error) { return id, scan(&id) })
}

// RetiredCertificates implements storage.CertificateReader.
func (r reader) RetiredCertificates(ctx context.Context, now time.Time, limit int) ([]storage.Certificate, error) {
	if limit < 1 {
		return nil, fmt.Errorf("storage: certificates: limit %d is not positive", limit)
	}
	return list(ctx, r, selectCertificate+`
		WHERE retire_at IS NOT NULL AND retire_told = 0 AND retire_at <= $1 ORDER BY retire_at LIMIT $2`,
		[]any{now.Unix(), limit}, scanCertificate)
}

// RetireCertificate implements storage.CertificateWriter.
func (t *tx) RetireCertificate(ctx context.Context, clientID string, print thumbprint.Thumbprint, at time.Time) error {
	return t.oneCertificate(t.write(ctx, "certificates", `
		UPDATE certificates SET retire_at = $1, retire_told = 0 WHERE thumbprint = $2 AND client_id = $3 RETURNING 1`,
		[]any{seconds(at), print[:], clientID}, new(int)))
}

// ToldRetired implements storage.CertificateWriter.
func (t *tx) ToldRetired(ctx context.Context, print thumbprint.Thumbprint) error {
	return t.oneCertificate(t.writeBeside(ctx, "certificates", `
		UPDATE certificates SET retire_told = 1 WHERE thumbprint = $1 RETURNING 1`, []any{print[:]}, new(int)))
}

// oneCertificate is the answer of a write that is about a certificate.
func (t *tx) oneCertificate(changed bool, err error) error {
	if err == nil && !changed {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}

// SeeCertificates implements storage.CertificateWriter.
func (t *tx) SeeCertificates(ctx context.Context, seen []storage.Certificate) error {
	err := t.execEach(ctx, "certificates.client_id refers to no client", `
		INSERT INTO certificates (thumbprint, client_id, der, not_before, not_after, created_at, source, first_seen_at, last_seen_at, presented)
		VALUES ($1, $2, $3, $4, $5, $6, 'seen', $6, $6, $7)
		ON CONFLICT (thumbprint) DO UPDATE SET
			first_seen_at = coalesce(certificates.first_seen_at, excluded.first_seen_at),
			last_seen_at  = CASE WHEN certificates.last_seen_at > excluded.last_seen_at
				THEN certificates.last_seen_at ELSE excluded.last_seen_at END,
			presented = excluded.presented
		WHERE certificates.client_id = excluded.client_id`, len(seen), func(i int) ([]any, error) {
		c := &seen[i]
		return []any{c.Thumbprint[:], c.ClientID, c.DER, seconds(c.NotBefore), seconds(c.NotAfter), seconds(c.LastSeen), blob(c.Presented)}, nil
	})
	if err != nil {
		return err
	}
	return t.execEach(ctx, "clients", `
		UPDATE clients SET shared_at = $1 WHERE id = $2 AND coalesce(shared_at, 0) < $1
			AND EXISTS (SELECT 1 FROM certificates WHERE thumbprint = $3 AND client_id <> $2)`, len(seen), func(i int) ([]any, error) {
		c := &seen[i]
		return []any{seconds(c.LastSeen), c.ClientID, c.Thumbprint[:]}, nil
	})
}

// ForgetSeen implements storage.CertificateWriter.
func (t *tx) ForgetSeen(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.forget(ctx, `
		DELETE FROM certificates WHERE thumbprint IN (
			SELECT thumbprint FROM certificates WHERE not_after < $1 AND source = 'seen' ORDER BY not_after LIMIT $2) RETURNING 1`,
		before.Unix(), limit)
}

// forget deletes what nobody needs any more and no registration rests on, and counts
// it.
func (t *tx) forget(ctx context.Context, text string, args ...any) (n int64, err error) {
	if t.failed != nil {
		return 0, t.failed
	}
	err = t.each(ctx, text, args, func(scan func(...any) error) error {
		n++
		return scan(new(int))
	})
	if err != nil {
		return 0, t.fail(err)
	}
	return n, nil
}
