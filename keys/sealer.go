package keys

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrSealed: an envelope does not open, because its key-encryption key is not
// loaded, is another one, or because the row is not the one it was sealed for.
var ErrSealed = errors.New("keys: cannot open the envelope")

// Sealer puts secrets into envelopes and opens them again. It seals with one
// key-encryption key and opens with any it was given.
type Sealer struct {
	active string
	byID   map[string]tink.AEAD
}

// NewSealer returns a Sealer that seals with active and opens with all. The keys
// are copied into their ciphers; the caller may clear its own.
func NewSealer(active KEK, older ...KEK) (*Sealer, error) {
	s := &Sealer{active: active.ID, byID: make(map[string]tink.AEAD, 1+len(older))}
	for _, k := range append([]KEK{active}, older...) {
		if k.ID == "" {
			return nil, errors.New("keys: a key-encryption key has no id")
		}
		if s.byID[k.ID] != nil {
			return nil, fmt.Errorf("keys: two key-encryption keys have the id %q", k.ID)
		}
		if len(k.Key) != kekSize {
			return nil, fmt.Errorf("keys: key-encryption key %q has %d bytes, want %d", k.ID, len(k.Key), kekSize)
		}
		wrapper, err := subtle.NewAESGCM(k.Key)
		if err != nil {
			return nil, fmt.Errorf("keys: key-encryption key %q: %w", k.ID, err)
		}
		s.byID[k.ID] = aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), wrapper)
	}
	return s, nil
}

// place says where an envelope belongs. An envelope copied to another row, or
// whose row is given another purpose, does not open there.
type place struct{ table, row, purpose string }

// associatedData is unambiguous: each part is preceded by its length.
func (p place) associatedData() []byte {
	data := []byte("certbound envelope v1")
	for _, part := range []string{p.table, p.row, p.purpose} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}

// seal returns the envelope and the id of the key-encryption key it needs.
func (s *Sealer) seal(secret []byte, at place) (kekID string, sealed []byte, err error) {
	sealed, err = s.byID[s.active].Encrypt(secret, at.associatedData())
	if err != nil {
		return "", nil, fmt.Errorf("keys: seal %s %s with key-encryption key %q: %w", at.table, at.row, s.active, err)
	}
	return s.active, sealed, nil
}

// open returns what seal was given. Errors say which row and which
// key-encryption key, and nothing of either key.
func (s *Sealer) open(kekID string, sealed []byte, at place) ([]byte, error) {
	kek, ok := s.byID[kekID]
	if !ok {
		return nil, fmt.Errorf("%w of %s %s: key-encryption key %q is not loaded", ErrSealed, at.table, at.row, kekID)
	}
	secret, err := kek.Decrypt(sealed, at.associatedData())
	if err != nil { // tink says no more than that it failed
		return nil, fmt.Errorf("%w of %s %s: key-encryption key %q is not the one it was sealed with, or the row was altered", ErrSealed, at.table, at.row, kekID)
	}
	return secret, nil
}
