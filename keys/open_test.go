package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestImport(t *testing.T) {
	for _, algorithm := range Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			key := mustKey(t, algorithm)
			// As it comes from a file, with a kid of somebody's own.
			text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "mine", Algorithm: algorithm, Use: "sig"})
			if err != nil {
				t.Fatal(err)
			}
			var jwk jose.JSONWebKey
			if err := json.Unmarshal(text, &jwk); err != nil {
				t.Fatal(err)
			}
			c := Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock, Algorithm: algorithm, Import: &jwk}
			first, again := open(t, c), open(t, c)
			c.Import = nil
			later := open(t, c)
			public, err := publicJWK(key.Public(), algorithm)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*Ring{first, again, later} {
				if r.KeyID() != public.KeyID {
					t.Errorf("active key %s, want the imported one, %s", r.KeyID(), public.KeyID)
				}
			}
			compact, err := first.Sign([]byte("{}"), "at+jwt")
			if err != nil {
				t.Fatal(err)
			}
			verify(t, compact, later.PublicJWKS())
		})
	}
}

func TestImportRefused(t *testing.T) {
	ec := mustKey(t, ES256).(*ecdsa.PrivateKey)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}, D: big.NewInt(3), Primes: []*big.Int{big.NewInt(3), big.NewInt(5)}}
	for name, c := range map[string]struct {
		jwk       jose.JSONWebKey
		algorithm string
		want      string
	}{
		"public":          {jose.JSONWebKey{Key: ec.Public()}, ES256, "keys: import: the JWK holds no valid private key"},
		"symmetric":       {jose.JSONWebKey{Key: []byte("secret")}, ES256, "keys: import: the JWK holds no valid private key"},
		"empty":           {jose.JSONWebKey{}, ES256, "keys: import: the JWK holds no valid private key"},
		"other algorithm": {jose.JSONWebKey{Key: ec, Algorithm: "ES384"}, ES256, "keys: import: the JWK is for ES384, not ES256"},
		"encryption":      {jose.JSONWebKey{Key: ec, Use: "enc"}, ES256, `keys: import: the JWK is for use "enc", not "sig"`},
		"other curve":     {jose.JSONWebKey{Key: p384}, ES256, "keys: import: keys: a key of type *ecdsa.PublicKey is not one for ES256"},
		"other type":      {jose.JSONWebKey{Key: ec}, RS256, "keys: import: keys: a key of type *ecdsa.PublicKey is not one for RS256"},
		"short":           {jose.JSONWebKey{Key: short}, RS256, "keys: import: keys: an RSA key of 1024 bits is too short: 2048 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memory{}
			_, err := Open(t.Context(), Config{Store: store, Sealer: sealer(t, kek("k1", 1)), Clock: clock, Algorithm: c.algorithm, Import: &c.jwk})
			if err == nil || err.Error() != c.want {
				t.Errorf("got error %v, want %s", err, c.want)
			}
			if len(store.records) != 0 {
				t.Error("something was stored")
			}
		})
	}
	t.Run("another key is active", func(t *testing.T) {
		config := Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock}
		have := open(t, config)
		config.Import = &jose.JSONWebKey{Key: ec}
		_, err := Open(t.Context(), config)
		want := "keys: import: " + have.KeyID() + " is already the active key for access_token with ES256: import that one, or start with an empty database"
		if err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

func TestConfigRefused(t *testing.T) {
	s := sealer(t, kek("k1", 1))
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no store":          {Config{Sealer: s}, "keys: Config needs Store and Sealer"},
		"no sealer":         {Config{Store: &memory{}}, "keys: Config needs Store and Sealer"},
		"none":              {Config{Store: &memory{}, Sealer: s, Algorithm: "none"}, `keys: algorithm "none" is not supported: use ES256, ES384, EdDSA, PS256 or RS256`},
		"symmetric":         {Config{Store: &memory{}, Sealer: s, Algorithm: "HS256"}, `keys: algorithm "HS256" is not supported: use ES256, ES384, EdDSA, PS256 or RS256`},
		"case of algorithm": {Config{Store: &memory{}, Sealer: s, Algorithm: "es256"}, `keys: algorithm "es256" is not supported: use ES256, ES384, EdDSA, PS256 or RS256`},
	} {
		if _, err := Open(t.Context(), c.config); err == nil || err.Error() != c.want {
			t.Errorf("%s: got error %v, want %s", name, err, c.want)
		}
	}
}

// broken is a Store whose database is away.
type broken struct {
	memory
	read, write error
}

func (b *broken) SigningKeys(ctx context.Context) ([]Record, error) {
	if b.read != nil {
		return nil, b.read
	}
	return b.memory.SigningKeys(ctx)
}

func (b *broken) AddSigningKey(context.Context, Record) error { return b.write }

func TestStoreFails(t *testing.T) {
	away := errors.New("database is away")
	s := sealer(t, kek("k1", 1))
	for want, store := range map[string]*broken{
		"keys: read the keys: database is away":       {read: away},
		"keys: store the first key: database is away": {write: away},
	} {
		if _, err := Open(t.Context(), Config{Store: store, Sealer: s, Clock: clock}); !errors.Is(err, away) || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
	// It says that there is such a key, and does not show it.
	if _, err := Open(t.Context(), Config{Store: &broken{write: ErrExists}, Sealer: s, Clock: clock}); err == nil {
		t.Error("a ring without an active key was opened")
	}
}
