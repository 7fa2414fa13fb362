package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// CertificateDenied implements storage.DenialReader. Every authentication asks.
func (r reader) CertificateDenied(ctx context.Context, print thumbprint.Thumbprint) (bool, error) {
	var one int
	err := r.one(ctx, `SELECT 1 FROM certificate_denials WHERE thumbprint = $1 AND lifted_at IS NULL`, []any{print[:]}, &one)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// CertificateDenial implements storage.DenialReader.
func (r reader) CertificateDenial(ctx context.Context, print thumbprint.Thumbprint) (storage.CertificateDenial, error) {
	d := storage.CertificateDenial{Thumbprint: print}
	err := r.one(ctx, `
		SELECT client_id, reason, created_at, expires_at, lifted_at FROM certificate_denials WHERE thumbprint = $1`,
		[]any{print[:]}, intoText(&d.ClientID), &d.Reason, timeInto{&d.CreatedAt}, timeInto{&d.ExpiresAt}, timeInto{&d.LiftedAt})
	if err != nil {
		return storage.CertificateDenial{}, err
	}
	return d, nil
}

// DenyCertificate implements storage.DenialWriter.
func (t *tx) DenyCertificate(ctx context.Context, d storage.CertificateDenial) error {
	return t.exec(ctx, "certificate_denials.client_id refers to no client", `
		INSERT INTO certificate_denials (thumbprint, client_id, reason, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (thumbprint) DO UPDATE SET
			client_id  = coalesce(certificate_denials.client_id, excluded.client_id),
			expires_at = coalesce(certificate_denials.expires_at, excluded.expires_at),
			reason     = CASE WHEN certificate_denials.lifted_at IS NULL THEN certificate_denials.reason ELSE excluded.reason END,
			created_at = CASE WHEN certificate_denials.lifted_at IS NULL THEN certificate_denials.created_at ELSE excluded.created_at END,
			lifted_at  = NULL`,
		d.Thumbprint[:], text(d.ClientID), d.Reason, seconds(d.CreatedAt), seconds(d.ExpiresAt))
}

// LiftCertificate implements storage.DenialWriter.
func (t *tx) LiftCertificate(ctx context.Context, print thumbprint.Thumbprint, now time.Time) error {
	var one int
	lifted, err := t.write(ctx, "certificate_denials", `
		UPDATE certificate_denials SET lifted_at = $1 WHERE thumbprint = $2 AND lifted_at IS NULL RETURNING 1`,
		[]any{seconds(now), print[:]}, &one)
	if err == nil && !lifted {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}
