package sqlstore

import (
	"context"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

const selectCertificate = `
	SELECT thumbprint, client_id, der, not_before, not_after, created_at, source, retire_at, first_seen_at, last_seen_at, presented
	FROM certificates `

func scanCertificate(scan func(...any) error) (c storage.Certificate, err error) {
	err = scan(thumbprintInto{&c.Thumbprint}, &c.ClientID, &c.DER, timeInto{&c.NotBefore}, timeInto{&c.NotAfter}, timeInto{&c.CreatedAt},
		intoText(&c.Source), timeInto{&c.RetireAt}, timeInto{&c.FirstSeen}, timeInto{&c.LastSeen}, &c.Presented)
	return c, err
}

// Certificate implements storage.CertificateReader.
func (r reader) Certificate(ctx context.Context, print thumbprint.Thumbprint) (storage.Certificate, error) {
	found, err := list(ctx, r, selectCertificate+`WHERE thumbprint = $1`, []any{print[:]}, scanCertificate)
	if err != nil {
		return storage.Certificate{}, err
	}
	if len(found) == 0 {
		return storage.Certificate{}, storage.ErrNotFound
	}
	return found[0], nil
}

// ClientCertificates implements storage.CertificateReader.
func (r reader) ClientCertificates(ctx context.Context, clientID string) ([]storage.Certificate, error) {
	return list(ctx, r, selectCertificate+`WHERE client_id = $1 ORDER BY created_at, not_before, thumbprint`,
		[]any{clientID}, scanCertificate)
}

// AddCertificate implements storage.CertificateWriter.
func (t *tx) AddCertificate(ctx context.Context, c storage.Certificate) error {
	var one int
	added, err := t.write(ctx, "certificates.client_id refers to no client", `
		INSERT INTO certificates (thumbprint, client_id, der, not_before, not_after, created_at, source, retire_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (thumbprint) DO UPDATE SET
			created_at = excluded.created_at, source = excluded.source, retire_at = excluded.retire_at, retire_told = 0
		WHERE certificates.source IN ('seen', 'published') AND certificates.client_id = excluded.client_id RETURNING 1`,
		[]any{
			c.Thumbprint[:], c.ClientID, c.DER, seconds(c.NotBefore), seconds(c.NotAfter), seconds(c.CreatedAt),
			text(c.Source), seconds(c.RetireAt),
		}, &one)
	if err == nil && !added {
		err = t.fail(&storage.ConflictError{Rule: "certificates.thumbprint"})
	}
	return err
}

// RemoveCertificate implements storage.CertificateWriter.
func (t *tx) RemoveCertificate(ctx context.Context, clientID string, print thumbprint.Thumbprint) error {
	var one int
	removed, err := t.write(ctx, "certificates", `
		DELETE FROM certificates WHERE thumbprint = $1 AND client_id = $2 RETURNING 1`,
		[]any{print[:], clientID}, &one)
	if err == nil && !removed {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}
