package sqlstore

import (
	"context"

	"github.com/certbound/certbound/storage"
)

// SigningKeys implements storage.SigningKeyReader.
func (r reader) SigningKeys(ctx context.Context) ([]storage.SigningKey, error) {
	list := []storage.SigningKey{}
	err := r.each(ctx, `
		SELECT kid, purpose, algorithm, status, public_jwk, kek_id, sealed, created_at, activated_at, retired_at, expires_at
		FROM signing_keys ORDER BY created_at, kid`, nil,
		func(scan func(...any) error) error {
			var k storage.SigningKey
			err := scan(&k.KID, &k.Purpose, &k.Algorithm, &k.Status, &k.PublicJWK, &k.KEKID, &k.Sealed,
				timeInto{&k.CreatedAt}, timeInto{&k.ActivatedAt}, timeInto{&k.RetiredAt}, timeInto{&k.ExpiresAt})
			list = append(list, k)
			return err
		})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// AddSigningKey implements storage.SigningKeyWriter.
func (t *tx) AddSigningKey(ctx context.Context, k storage.SigningKey) error {
	return t.exec(ctx, "signing_keys", `
		INSERT INTO signing_keys (kid, purpose, algorithm, status, public_jwk, kek_id, sealed,
			created_at, activated_at, retired_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		k.KID, k.Purpose, k.Algorithm, k.Status, k.PublicJWK, k.KEKID, k.Sealed,
		seconds(k.CreatedAt), seconds(k.ActivatedAt), seconds(k.RetiredAt), seconds(k.ExpiresAt))
}
