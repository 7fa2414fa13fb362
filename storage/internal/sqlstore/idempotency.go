package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/certbound/certbound/storage"
)

// IdempotentAnswer implements storage.IdempotencyReader.
func (r reader) IdempotentAnswer(ctx context.Context, clientID, key string, now time.Time) (storage.IdempotentAnswer, error) {
	a := storage.IdempotentAnswer{ClientID: clientID, Key: key}
	var hash []byte
	err := r.one(ctx, `
		SELECT request_hash, status, response, created_at, expires_at FROM idempotency_keys
		WHERE client_id = $1 AND key = $2 AND expires_at > $3`, []any{clientID, key, now.Unix()},
		&hash, &a.Status, &a.Response, timeInto{&a.CreatedAt}, timeInto{&a.ExpiresAt})
	if err == nil && copy(a.RequestHash[:], hash) != len(a.RequestHash) {
		err = fmt.Errorf("storage: the hash of an idempotent request is stored in %d bytes", len(hash))
	}
	if err != nil {
		return storage.IdempotentAnswer{}, err
	}
	return a, nil
}

// KeepIdempotentAnswer implements storage.IdempotencyWriter.
func (t *tx) KeepIdempotentAnswer(ctx context.Context, a storage.IdempotentAnswer) error {
	if err := t.execBeside(ctx, "", `DELETE FROM idempotency_keys WHERE expires_at <= $1`, seconds(a.CreatedAt)); err != nil {
		return err
	}
	return t.execBeside(ctx, "idempotency_keys.client_id refers to no client", `
		INSERT INTO idempotency_keys (client_id, key, request_hash, status, response, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		a.ClientID, a.Key, a.RequestHash[:], a.Status, a.Response, seconds(a.CreatedAt), seconds(a.ExpiresAt))
}
