package sqlstore

import (
	"context"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// ClientCertificates implements storage.CertificateReader.
func (r reader) ClientCertificates(ctx context.Context, clientID string) ([]storage.Certificate, error) {
	list := []storage.Certificate{}
	err := r.each(ctx, `
		SELECT thumbprint, der, not_before, not_after, created_at FROM certificates
		WHERE client_id = $1 ORDER BY created_at, not_before, thumbprint`, []any{clientID},
		func(scan func(...any) error) error {
			c := storage.Certificate{ClientID: clientID}
			err := scan(thumbprintInto{&c.Thumbprint}, &c.DER, timeInto{&c.NotBefore}, timeInto{&c.NotAfter}, timeInto{&c.CreatedAt})
			list = append(list, c)
			return err
		})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// AddCertificate implements storage.CertificateWriter.
func (t *tx) AddCertificate(ctx context.Context, c storage.Certificate) error {
	return t.exec(ctx, "certificates.client_id refers to no client", `
		INSERT INTO certificates (thumbprint, client_id, der, not_before, not_after, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.Thumbprint[:], c.ClientID, c.DER, seconds(c.NotBefore), seconds(c.NotAfter), seconds(c.CreatedAt))
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
