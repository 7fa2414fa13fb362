package authz

import (
	"context"
	"errors"

	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// loadBundle makes a trust bundle of its record, which passed trust.New when it
// was registered.
func loadBundle(record storage.TrustBundle) (*trust.Bundle, error) {
	return trust.Load(trust.Spec{
		Name: record.Name, Version: record.Version,
		Anchors:          []byte(record.AnchorsPEM),
		Intermediates:    []byte(record.IntermediatesPEM),
		Issuers:          []byte(record.IssuersPEM),
		MaxDepth:         record.MaxDepth,
		AllowPublicRoots: record.AllowPublicRoots,
	})
}

// KeyStore lets package keys keep its signing keys in the store.
func KeyStore(store storage.Store) keys.Store { return keyStore{store} }

type keyStore struct{ store storage.Store }

func (s keyStore) SigningKeys(ctx context.Context) ([]keys.Record, error) {
	stored, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	records := make([]keys.Record, len(stored))
	for i, key := range stored {
		records[i] = keys.Record(key)
	}
	return records, nil
}

func (s keyStore) AddSigningKey(ctx context.Context, record keys.Record) error {
	err := s.store.Update(ctx, func(tx storage.Tx) error {
		return tx.AddSigningKey(ctx, storage.SigningKey(record))
	})
	if errors.Is(err, storage.ErrConflict) {
		return keys.ErrExists
	}
	return err
}
