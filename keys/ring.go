package keys

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Ring is the keys of one purpose: the active one signs, all that resource
// servers may still need are published. It is safe for concurrent use.
type Ring struct {
	clock     func() time.Time
	algorithm string
	purpose   string
	active    *signer
	published []published
}

// signer is the active key.
type signer struct {
	kid string
	key crypto.Signer
}

// published is a public key and how long it stays in the JWK set.
type published struct {
	key     jose.JSONWebKey
	jwk     json.RawMessage // key, rendered once
	retired bool
	until   time.Time // of a retired key
}

// add takes one stored key into the ring.
func (r *Ring) add(s *Sealer, record *Record) error {
	key, jwk, err := unseal(s, record)
	if err != nil {
		return err
	}
	// Made from the private key, not taken from the row: a row that somebody
	// could write must not put a foreign key among ours.
	public, err := json.Marshal(jwk)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	switch record.Status {
	case StatusActive:
		if record.Algorithm == r.algorithm {
			if r.active != nil {
				return fmt.Errorf("keys: both %s and %s are active for %s with %s", r.active.kid, record.KID, r.purpose, r.algorithm)
			}
			r.active = &signer{record.KID, key}
		}
	case StatusNext, StatusRetired:
	default:
		return fmt.Errorf("keys: %s %s has the unknown status %q", table, record.KID, record.Status)
	}
	r.published = append(r.published, published{jwk, public, record.Status == StatusRetired, record.ExpiresAt})
	return nil
}

// uses returns an error unless key is the active one.
func (r *Ring) uses(key crypto.Signer) error {
	jwk, err := publicJWK(key, r.algorithm)
	if err != nil {
		return err
	}
	if jwk.KeyID != r.active.kid {
		return fmt.Errorf("keys: import: %s is already the active key for %s with %s: import that one, or start with an empty database", r.active.kid, r.purpose, r.algorithm)
	}
	return nil
}

// Sign returns payload as a compact JWS whose protected header is exactly alg,
// kid and typ.
func (r *Ring) Sign(payload []byte, typ string) (string, error) {
	if typ == "" { // a signature without a type could be taken for another one's
		return "", errors.New("keys: sign: typ is empty")
	}
	s, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(r.algorithm),
		Key:       jose.JSONWebKey{Key: r.active.key, KeyID: r.active.kid},
	}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("keys: sign: %w", err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("keys: sign: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("keys: sign: %w", err)
	}
	return compact, nil
}

// KeyID returns the kid of the active key.
func (r *Ring) KeyID() string { return r.active.kid }

// Algorithm returns the JWS algorithm of the active key.
func (r *Ring) Algorithm() string { return r.algorithm }

// over reports whether the key has left the JWK set.
func (p *published) over(now time.Time) bool { return p.retired && !now.Before(p.until) }

// PublicKey returns the published key with that kid: what this ring has signed
// is verified with it, without asking anybody. Its Algorithm is the only one it
// may be used with.
func (r *Ring) PublicKey(kid string) (jose.JSONWebKey, bool) {
	now := r.clock()
	for i := range r.published {
		if p := &r.published[i]; p.key.KeyID == kid && !p.over(now) {
			return p.key, true
		}
	}
	return jose.JSONWebKey{}, false
}

// PublicJWKS returns the JWK set (RFC 7517 §5): next and active keys, and
// retired ones until the last token they signed has expired.
func (r *Ring) PublicJWKS() []byte {
	now := r.clock()
	var set bytes.Buffer
	set.WriteString(`{"keys":[`)
	separator := ""
	for _, p := range r.published {
		if p.over(now) {
			continue
		}
		set.WriteString(separator)
		set.Write(p.jwk)
		separator = ","
	}
	set.WriteString("]}")
	return set.Bytes()
}
