package keys

import (
	"crypto"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs with one key. It is safe for concurrent use, and takes no lock.
type Signer struct {
	kid, algorithm string
	key            crypto.Signer
	prepared       atomic.Pointer[prepared]
}

// prepared is a jose.Signer for one typ; a key signs one type of things, so the
// last one is the right one.
type prepared struct {
	typ    string
	signer jose.Signer
}

// KeyID returns the kid of the key.
func (s *Signer) KeyID() string { return s.kid }

// Algorithm returns the one algorithm the key signs with.
func (s *Signer) Algorithm() string { return s.algorithm }

// Sign returns payload as a compact JWS whose protected header is exactly alg,
// kid and typ.
func (s *Signer) Sign(payload []byte, typ string) (string, error) {
	signer, err := s.prepare(typ)
	if err != nil {
		return "", fmt.Errorf("keys: sign: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("keys: sign: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("keys: sign: %w", err)
	}
	return compact, nil
}

func (s *Signer) prepare(typ string) (jose.Signer, error) {
	if p := s.prepared.Load(); p != nil && p.typ == typ {
		return p.signer, nil
	}
	if typ == "" { // a signature without a type could be taken for another one's
		return nil, errors.New("typ is empty")
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(s.algorithm),
		Key:       jose.JSONWebKey{Key: s.key, KeyID: s.kid},
	}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return nil, err
	}
	s.prepared.Store(&prepared{typ, signer})
	return signer, nil
}
