package keys

import (
	"context"
	"crypto"
	"encoding/json"
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
	Algorithm string           // of new signatures: ES256 (default) or RS256
	Purpose   string           // default "access_token"; a key signs for one purpose only
	// Import is used as the active key instead of a generated one. Whoever has the
	// JWK can forge tokens: production MUST NOT set it.
	Import *jose.JSONWebKey
}

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Sealer == nil {
		return c, errors.New("keys: Config needs Store and Sealer")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Purpose == "" {
		c.Purpose = "access_token"
	}
	if c.Algorithm == "" {
		c.Algorithm = ES256
	}
	if c.Algorithm != ES256 && c.Algorithm != RS256 {
		return c, fmt.Errorf("keys: algorithm %q is not supported: use ES256 or RS256", c.Algorithm)
	}
	return c, nil
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
	ring, err := load(ctx, c)
	if err == nil && ring.active == nil {
		ring, err = addFirst(ctx, c, imported)
	}
	if err != nil {
		return nil, err
	}
	if imported != nil {
		if err := ring.uses(imported); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

// addFirst stores a first active key and loads again. When another process was
// faster, its key is the one that both use.
func addFirst(ctx context.Context, c Config, key crypto.Signer) (*Ring, error) {
	if key == nil {
		var err error
		if key, err = generate(c.Algorithm); err != nil {
			return nil, fmt.Errorf("keys: generate: %w", err)
		}
	}
	record, err := newRecord(c, key)
	if err != nil {
		return nil, err
	}
	if err := c.Store.AddSigningKey(ctx, record); err != nil && !errors.Is(err, ErrExists) {
		return nil, fmt.Errorf("keys: store the first key: %w", err)
	}
	ring, err := load(ctx, c)
	if err != nil {
		return nil, err
	}
	if ring.active == nil {
		return nil, fmt.Errorf("keys: key %s is stored, but not as the active key for %s with %s", record.KID, c.Purpose, c.Algorithm)
	}
	return ring, nil
}

// newRecord seals key as an active key.
func newRecord(c Config, key crypto.Signer) (Record, error) {
	jwk, err := publicJWK(key, c.Algorithm)
	if err != nil {
		return Record{}, err
	}
	public, err := json.Marshal(jwk)
	if err != nil {
		return Record{}, fmt.Errorf("keys: %w", err)
	}
	now := c.Clock().UTC().Truncate(time.Second)
	r := Record{
		KID: jwk.KeyID, Purpose: c.Purpose, Algorithm: c.Algorithm, Status: StatusActive,
		PublicJWK: string(public), CreatedAt: now, ActivatedAt: now,
	}
	secret, err := encode(key)
	if err != nil {
		return Record{}, fmt.Errorf("keys: %w", err)
	}
	defer clear(secret)
	r.KEKID, r.Sealed, err = c.Sealer.seal(secret, r.place())
	return r, err
}

// load reads the keys of the purpose. The ring has no active key when the store
// has none for the algorithm.
func load(ctx context.Context, c Config) (*Ring, error) {
	records, err := c.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: read the keys: %w", err)
	}
	ring := &Ring{clock: c.Clock, algorithm: c.Algorithm, purpose: c.Purpose}
	for i := range records {
		if records[i].Purpose != c.Purpose {
			continue
		}
		if err := ring.add(c.Sealer, &records[i]); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

// unseal opens the envelope of r and checks that row and key are one: what is
// published and what signs must not differ.
func unseal(s *Sealer, r *Record) (crypto.Signer, jose.JSONWebKey, error) {
	secret, err := s.open(r.KEKID, r.Sealed, r.place())
	if err != nil {
		return nil, jose.JSONWebKey{}, err
	}
	defer clear(secret)
	key, err := decode(secret)
	if err != nil {
		return nil, jose.JSONWebKey{}, fmt.Errorf("keys: the envelope of %s %s (key-encryption key %q) is no key: %w", table, r.KID, r.KEKID, err)
	}
	if err := suits(key, r.Algorithm); err != nil {
		return nil, jose.JSONWebKey{}, fmt.Errorf("keys: %s %s: %w", table, r.KID, err)
	}
	jwk, err := publicJWK(key, r.Algorithm)
	if err != nil {
		return nil, jose.JSONWebKey{}, err
	}
	if jwk.KeyID != r.KID {
		return nil, jose.JSONWebKey{}, fmt.Errorf("keys: %s %s holds the key %s", table, r.KID, jwk.KeyID)
	}
	return key, jwk, nil
}
