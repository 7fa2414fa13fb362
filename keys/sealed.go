package keys

import (
	"context"
	"errors"
)

// CheckSealed opens the envelope of every stored key, of every purpose, and
// reports all that do not open: a key-encryption key is missing or another one.
// It returns how many keys there are, and changes nothing.
func CheckSealed(ctx context.Context, s Store, sealer *Sealer) (count int, err error) {
	records, err := s.SigningKeys(ctx)
	if err != nil {
		return 0, err
	}
	var faults []error
	for i := range records {
		r := &records[i]
		secret, err := sealer.open(r.KEKID, r.Sealed, r.place())
		clear(secret)
		faults = append(faults, err)
	}
	return len(records), errors.Join(faults...)
}
