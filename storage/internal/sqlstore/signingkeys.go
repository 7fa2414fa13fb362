package sqlstore

import (
	"context"

	"github.com/certbound/certbound/storage"
)

// SigningKeys implements storage.SigningKeyReader.
func (r reader) SigningKeys(ctx context.Context) ([]storage.SigningKey, error) {
	list := []storage.SigningKey{}
	err := r.each(ctx, `
		SELECT kid, purpose, algorithm, status, public_jwk, kek_id, sealed,
			created_at, due_at, activated_at, retired_at, expires_at, revoked_at
		FROM signing_keys ORDER BY created_at, kid`, nil,
		func(scan func(...any) error) error {
			var k storage.SigningKey
			err := scan(&k.KID, &k.Purpose, &k.Algorithm, &k.Status, &k.PublicJWK, &k.KEKID, &k.Sealed,
				timeInto{&k.CreatedAt}, timeInto{&k.DueAt}, timeInto{&k.ActivatedAt},
				timeInto{&k.RetiredAt}, timeInto{&k.ExpiresAt}, timeInto{&k.RevokedAt})
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
			created_at, due_at, activated_at, retired_at, expires_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		k.KID, k.Purpose, k.Algorithm, k.Status, k.PublicJWK, k.KEKID, k.Sealed,
		seconds(k.CreatedAt), seconds(k.DueAt), seconds(k.ActivatedAt),
		seconds(k.RetiredAt), seconds(k.ExpiresAt), seconds(k.RevokedAt))
}

// UpdateSigningKey implements storage.SigningKeyWriter.
func (t *tx) UpdateSigningKey(ctx context.Context, k storage.SigningKey) error {
	return t.changeKey(ctx, `
		UPDATE signing_keys SET status = $1, kek_id = $2, sealed = $3, due_at = $4, activated_at = $5,
			retired_at = $6, expires_at = $7, revoked_at = $8
		WHERE kid = $9 RETURNING 1`,
		k.Status, k.KEKID, k.Sealed, seconds(k.DueAt), seconds(k.ActivatedAt),
		seconds(k.RetiredAt), seconds(k.ExpiresAt), seconds(k.RevokedAt), k.KID)
}

// RemoveSigningKey implements storage.SigningKeyWriter.
func (t *tx) RemoveSigningKey(ctx context.Context, kid string) error {
	return t.changeKey(ctx, `DELETE FROM signing_keys WHERE kid = $1 RETURNING 1`, kid)
}

// changeKey runs a write that has to meet a row.
func (t *tx) changeKey(ctx context.Context, text string, args ...any) error {
	var one int
	changed, err := t.write(ctx, "signing_keys", text, args, &one)
	if err == nil && !changed {
		return t.fail(storage.ErrNotFound)
	}
	return err
}
