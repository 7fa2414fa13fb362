package keys

import (
	"context"
	"errors"
	"time"
)

// Statuses of a key. A next key is published before it signs, so that resource
// servers know it in time; a retired one is published until the last token it
// signed has expired; a revoked one is published no more.
const (
	StatusNext    = "next"
	StatusActive  = "active"
	StatusRetired = "retired"
	StatusRevoked = "revoked"
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
	Sealed      []byte // in an envelope: the private key, PKCS#8, or what is left of it
	CreatedAt   time.Time
	DueAt       time.Time // of a next key: from when on it shall be active without waiting for the schedule
	ActivatedAt time.Time
	RetiredAt   time.Time
	ExpiresAt   time.Time // of a retired key: when nothing it signed is good any more
	RevokedAt   time.Time
}

func (r *Record) place() place { return place{table, r.KID, r.Purpose} }

// ErrExists is what AddSigningKey returns when the kid is stored already, or when
// the record is active (or next) and its purpose and algorithm have such a key.
var ErrExists = errors.New("keys: there is such a key already")

// Store keeps records.
type Store interface {
	// SigningKeys returns the records of every purpose, oldest first.
	SigningKeys(ctx context.Context) ([]Record, error)
	// AddSigningKey stores r durably, or returns ErrExists.
	AddSigningKey(ctx context.Context, r Record) error
}

// Tx is one transaction on the records. Whatever happens to the process, all of
// it holds afterwards or nothing does.
type Tx interface {
	// SigningKeys returns the records of every purpose, oldest first.
	SigningKeys(ctx context.Context) ([]Record, error)
	// AddSigningKey stores a new record.
	AddSigningKey(ctx context.Context, r Record) error
	// UpdateSigningKey writes what changes in a key's life: Status, KEKID, Sealed
	// and the times but CreatedAt. At no moment are two keys of one purpose and
	// algorithm active, or next.
	UpdateSigningKey(ctx context.Context, r Record) error
	// RemoveSigningKey deletes a record.
	RemoveSigningKey(ctx context.Context, kid string) error
}
