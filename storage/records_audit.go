package storage

import (
	"crypto/sha256"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// AuditHash is the SHA-256 of an audit event chained to the one before it.
type AuditHash [sha256.Size]byte

// AuditStream is the chain of one instance: instances never wait for each
// other's hash. HeadSeq and HeadHash are those of its newest event, 0 and zero
// when it has none.
type AuditStream struct {
	ID       int64
	Instance string
	HeadSeq  int64
	HeadHash AuditHash

	IndexedSeq int64
	CreatedAt  time.Time

	// PrunedSeq and PrunedHash are those of the event behind which the chain begins
	// now, 0 and zero when it was never pruned. Events before it may still be there.
	PrunedSeq  int64
	PrunedHash AuditHash
}

// AuditEvent is one link of a stream. What it means, and how Hash is computed,
// is package authz/audit's business. All texts are UTF-8.
type AuditEvent struct {
	StreamID   int64
	Seq        int64 // 1, 2, … within the stream
	Prev, Hash AuditHash
	Time       time.Time
	Kind       string
	Reason     string // empty when allowed
	PartnerID  string // whom it concerns; refers to nothing, may name one that never was
	ClientID   string
	Actor      string // who did it, when that is another than ClientID
	Thumbprint thumbprint.Thumbprint
	TokenID    string
	RequestID  string // 32 hex digits, or empty
	Detail     string // JSON object; what cannot be read has no Kind and stands in here
}

// AuditQuery selects events; empty members select all.
type AuditQuery struct {
	PartnerID, ClientID, Kind, Reason, RequestID, TokenID string

	Thumbprint thumbprint.Thumbprint
	Since      time.Time   // inclusive
	Until      time.Time   // exclusive
	Before     AuditCursor // events older than this one
	Limit      int         // 1 to 1000
}

// AuditCursor is a place in the newest-first order over all streams.
type AuditCursor struct {
	Time          time.Time
	StreamID, Seq int64
}

// AuditCheckpoint is a signed statement over all stream heads.
type AuditCheckpoint struct {
	ID        int64 // given by the database; later ones are greater
	KID       string
	JWS       string
	CreatedAt time.Time
}

// AuditPruning is a signed statement of up to where events were pruned.
type AuditPruning struct {
	ID        int64 // given by the database; later ones are greater
	KID       string
	JWS       string
	CreatedAt time.Time
}
