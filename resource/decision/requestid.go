package decision

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// RequestIDHeader carries the id by which an operator finds the decision.
const RequestIDHeader = "X-Request-Id"

const (
	idBytes  = 16
	idLength = 2 * idBytes
	// idsAtOnce ids are cut from one string, so that an id costs neither a system
	// call nor an allocation of its own.
	idsAtOnce = 64
)

// idBlock is what is left of a string of ids. It has one owner at a time.
type idBlock struct {
	rest   string
	random [idsAtOnce * idBytes]byte
	text   [idsAtOnce * idLength]byte
}

var idBlocks = sync.Pool{New: func() any { return new(idBlock) }}

// NewRequestID returns 128 random bits in hex. Ids are always ours: one sent by
// a caller could be made to collide with another's.
func NewRequestID() string {
	b := idBlocks.Get().(*idBlock)
	if b.rest == "" {
		rand.Read(b.random[:]) // never fails: crypto/rand crashes the program instead
		hex.Encode(b.text[:], b.random[:])
		b.rest = string(b.text[:])
	}
	id := b.rest[:idLength]
	b.rest = b.rest[idLength:]
	idBlocks.Put(b)
	return id
}
