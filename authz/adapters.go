package authz

import (
	"context"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/signing"
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
func KeyStore(store storage.Store) keys.Store { return signing.Store{Store: store} }

// published joins the public keys of several rings into one JWK set.
type published []*keys.Ring

// JWKS implements metadata.KeySet.
func (p published) JWKS(ctx context.Context) ([]byte, error) {
	var joined struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, ring := range p {
		set := joined
		set.Keys = nil
		text, err := ring.JWKS(ctx)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &set); err != nil { // what a ring writes can be read
			panic(err)
		}
		joined.Keys = append(joined.Keys, set.Keys...)
	}
	text, err := json.Marshal(joined)
	if err != nil {
		panic(err)
	}
	return text, nil
}

// ownKeys lets our own verifier check our own tokens without a network.
type ownKeys struct{ ring *keys.Ring }

// Keys implements resource.KeySource.
func (o ownKeys) Keys(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	key, ok := o.ring.PublicKey(kid)
	if !ok {
		return nil, nil
	}
	return []jose.JSONWebKey{key}, nil
}
