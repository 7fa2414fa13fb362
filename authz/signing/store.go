package signing

import (
	"context"
	"errors"

	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// Store lets package keys keep its keys in the store.
type Store struct{ storage.Store }

// SigningKeys implements keys.Store.
func (s Store) SigningKeys(ctx context.Context) ([]keys.Record, error) {
	return records(s.Store.SigningKeys(ctx))
}

// AddSigningKey implements keys.Store.
func (s Store) AddSigningKey(ctx context.Context, record keys.Record) error {
	err := s.Update(ctx, func(tx storage.Tx) error {
		return tx.AddSigningKey(ctx, storage.SigningKey(record))
	})
	if errors.Is(err, storage.ErrConflict) {
		return keys.ErrExists
	}
	return err
}

// Tx lets package keys change its keys in a transaction.
type Tx struct{ storage.Tx }

// SigningKeys implements keys.Tx.
func (t Tx) SigningKeys(ctx context.Context) ([]keys.Record, error) {
	return records(t.Tx.SigningKeys(ctx))
}

// AddSigningKey implements keys.Tx.
func (t Tx) AddSigningKey(ctx context.Context, record keys.Record) error {
	return t.Tx.AddSigningKey(ctx, storage.SigningKey(record))
}

// UpdateSigningKey implements keys.Tx.
func (t Tx) UpdateSigningKey(ctx context.Context, record keys.Record) error {
	return t.Tx.UpdateSigningKey(ctx, storage.SigningKey(record))
}

func records(stored []storage.SigningKey, err error) ([]keys.Record, error) {
	if err != nil {
		return nil, err
	}
	all := make([]keys.Record, len(stored))
	for i, key := range stored {
		all[i] = keys.Record(key)
	}
	return all, nil
}
