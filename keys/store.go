package keys

import (
	"context"
	"errors"
	"time"
)

// Statuses of a key. A next key is published before it signs, so that resource
// servers know it in time; a retired one is published until the last token it
// signed has expired.
const (
	StatusNext    = "next"
	StatusActive  = "active"
	StatusRetired = "retired"
)

// table is the name that envelopes are bound to.
const table = "signing_keys"

// Record is a key as it is stored.
type Record struct {
	KID         string // RFC 7638 thumbprint
	Purpose     string
	Algorithm   string
	Status      string
	PublicJWK   string
	KEKID       string
	Sealed      []byte // the private key, PKCS#8, in an envelope
	CreatedAt   time.Time
	ActivatedAt time.Time
	RetiredAt   time.Time
	ExpiresAt   time.Time
}

func (r *Record) place() place { return place{table, r.KID, r.Purpose} }

// ErrExists is what AddSigningKey returns when the kid is stored already, or when
// the record is active and its purpose and algorithm have an active key.
var ErrExists = errors.New("keys: there is such a key already")

// Store keeps records.
type Store interface {
	// SigningKeys returns the records of every purpose, oldest first.
	SigningKeys(ctx context.Context) ([]Record, error)
	// AddSigningKey stores r durably, or returns ErrExists.
	AddSigningKey(ctx context.Context, r Record) error
}
