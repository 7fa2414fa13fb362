package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Config is what a Ring is made of.
type Config struct {
	Store     Store
	Sealer    *Sealer
	Clock     func() time.Time // default time.Now
	Algorithm string           // of signatures nobody asked another one for: one of Algorithms, default ES256
	Purpose   string           // default AccessTokens; a key signs for one purpose only
	Policy    Policy
	// Import is used as the first key instead of a generated one. Whoever has the
	// JWK can forge tokens: production MUST NOT set it.
	Import *jose.JSONWebKey
}

// AccessTokens is the purpose of keys that sign access tokens.
const AccessTokens = "access_token"

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Sealer == nil {
		return c, errors.New("keys: Config needs Store and Sealer")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Purpose == "" {
		c.Purpose = AccessTokens
	}
	if c.Algorithm == "" {
		c.Algorithm = ES256
	}
	var err error
	if c.Policy, err = c.Policy.withDefaults(); err != nil {
		return c, err
	}
	return c, CheckAlgorithm(c.Algorithm)
}

// Open loads and unseals the keys of the purpose, and makes the first active one
// when there is none. A key that does not unseal, or is not what its row says,
// stops the start: it may be the one that signed the tokens still out there.
func Open(ctx context.Context, c Config) (*Ring, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	var imported crypto.Signer
	if c.Import != nil {
		if imported, err = privateKey(c.Import, c.Algorithm); err != nil {
			return nil, err
		}
	}
	r := &Ring{store: c.Store, sealer: c.Sealer, clock: c.Clock, algorithm: c.Algorithm, purpose: c.Purpose, policy: c.Policy}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	if r.view.Load().latest == nil {
		if err := r.addFirst(ctx, imported); err != nil {
			return nil, err
		}
	}
	if imported != nil {
		if err := r.has(imported); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// addFirst stores a first active key and reads again. When another process was
// faster, its key is the one that both use.
func (r *Ring) addFirst(ctx context.Context, key crypto.Signer) error {
	if key == nil {
		var err error
		if key, err = generate(r.algorithm); err != nil {
			return fmt.Errorf("keys: generate: %w", err)
		}
	}
	record, err := r.newRecord(key, r.algorithm)
	if err != nil {
		return err
	}
	switch err := r.store.AddSigningKey(ctx, record); {
	case err == nil:
		r.fresh = len(r.view.Load().records) == 0
	case !errors.Is(err, ErrExists):
		return fmt.Errorf("keys: store the first key: %w", err)
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	if r.view.Load().latest == nil {
		return fmt.Errorf("keys: key %s is stored, but not as the active key for %s with %s", record.KID, r.purpose, r.algorithm)
	}
	return nil
}

// has returns an error unless key was imported before, and signs or has signed.
func (r *Ring) has(key crypto.Signer) error {
	jwk, err := publicJWK(key.Public(), r.algorithm)
	if err != nil {
		return err
	}
	v := r.view.Load()
	for i := range v.records {
		if v.records[i].KID != jwk.KeyID {
			continue
		}
		if v.records[i].Status == StatusRevoked {
			return fmt.Errorf("keys: import: %s has been revoked", jwk.KeyID)
		}
		return nil
	}
	s := v.signer("", r.algorithm)
	return fmt.Errorf("keys: import: %s is already the active key for %s with %s: import that one, or start with an empty database", s.kid, r.purpose, s.algorithm)
}
