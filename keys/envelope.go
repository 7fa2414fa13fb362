package keys

import (
	"crypto"
	"fmt"
)

// Active is the id of the key-encryption key that seals.
func (s *Sealer) Active() string { return s.active }

// SealKey puts a private key that is no signing key of ours into an envelope for
// one row of a table. It opens nowhere else, and for no other purpose.
func (s *Sealer) SealKey(key crypto.Signer, table, row, purpose string) (kekID string, sealed []byte, err error) {
	secret, err := encode(key)
	if err != nil {
		return "", nil, fmt.Errorf("keys: seal %s %s: %w", table, row, err)
	}
	defer clear(secret)
	return s.seal(secret, place{table, row, purpose})
}

// OpenKey returns the private key that SealKey was given. The error is ErrSealed
// when the envelope does not open.
func (s *Sealer) OpenKey(kekID string, sealed []byte, table, row, purpose string) (crypto.Signer, error) {
	secret, err := s.open(kekID, sealed, place{table, row, purpose})
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, _, err := decode(secret)
	if err != nil || key == nil {
		return nil, fmt.Errorf("keys: the envelope of %s %s holds no private key", table, row)
	}
	return key, nil
}
