package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/certbound/certbound/storage"
)

const selectKeySet = `SELECT client_id, uri, due_at, begun_at, read_at, failures, problem FROM client_key_sets `

func scanKeySet(scan func(...any) error) (k storage.KeySet, err error) {
	err = scan(&k.ClientID, &k.URI, timeInto{&k.DueAt}, timeInto{&k.BegunAt}, timeInto{&k.ReadAt}, &k.Failures, &k.Problem)
	return k, err
}

// KeySet implements storage.KeySetReader.
func (r reader) KeySet(ctx context.Context, clientID string) (storage.KeySet, error) {
	found, err := list(ctx, r, selectKeySet+`WHERE client_id = $1`, []any{clientID}, scanKeySet)
	if err != nil {
		return storage.KeySet{}, err
	}
	if len(found) == 0 {
		return storage.KeySet{}, storage.ErrNotFound
	}
	return found[0], nil
}

// DueKeySets implements storage.KeySetReader.
func (r reader) DueKeySets(ctx context.Context, now time.Time, limit int) ([]storage.KeySet, error) {
	if limit < 1 {
		return nil, fmt.Errorf("storage: key sets: limit %d is not positive", limit)
	}
	return list(ctx, r, selectKeySet+`WHERE due_at <= $1 ORDER BY due_at LIMIT $2`, []any{now.Unix(), limit}, scanKeySet)
}

// FailingKeySets implements storage.KeySetReader.
func (r reader) FailingKeySets(ctx context.Context, limit int) ([]storage.KeySet, error) {
	if limit < 1 {
		return nil, fmt.Errorf("storage: key sets: limit %d is not positive", limit)
	}
	return list(ctx, r, selectKeySet+`WHERE failures > 0 ORDER BY client_id LIMIT $1`, []any{limit}, scanKeySet)
}

// UpdateKeySet implements storage.KeySetWriter. How a try went is no part of the
// registration; the certificates it brings are.
func (t *tx) UpdateKeySet(ctx context.Context, k storage.KeySet) error {
	var one int
	changed, err := t.writeBeside(ctx, "client_key_sets", `
		UPDATE client_key_sets SET due_at = $1, begun_at = $2, read_at = $3, failures = $4, problem = $5
		WHERE client_id = $6 AND uri = $7 RETURNING 1`,
		[]any{k.DueAt.Unix(), seconds(k.BegunAt), seconds(k.ReadAt), k.Failures, k.Problem, k.ClientID, k.URI}, &one)
	if err == nil && !changed {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}

// followKeySet begins or ends a client's key set. With another address it begins
// anew.
func (t *tx) followKeySet(ctx context.Context, c storage.Client) error {
	if c.JWKSURI == "" {
		return t.execBeside(ctx, "client_key_sets", `DELETE FROM client_key_sets WHERE client_id = $1`, c.ID)
	}
	return t.execBeside(ctx, "client_key_sets", `
		INSERT INTO client_key_sets (client_id, uri, due_at, failures, problem) VALUES ($1, $2, 0, 0, '')
		ON CONFLICT (client_id) DO UPDATE SET
			uri = excluded.uri, due_at = 0, begun_at = NULL, read_at = NULL, failures = 0, problem = ''
		WHERE client_key_sets.uri <> excluded.uri`, c.ID, c.JWKSURI)
}
