package decision

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
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

// NewRequestID returns 48 bits of a time not long ago in milliseconds and 80 random
// ones, in hex. Ids are always ours: one sent by a caller could be made to collide
// with another's. They grow with time, by and large, because the audit trail keeps
// an index of how they begin: those made together share an entry at its edge.
func NewRequestID(now time.Time) string {
	b := idBlocks.Get().(*idBlock)
	if b.rest == "" {
		rand.Read(b.random[:]) // never fails: crypto/rand crashes the program instead
		var stamp [8]byte
		binary.BigEndian.PutUint64(stamp[:], uint64(now.UnixMilli())<<16)
		for i := 0; i < len(b.random); i += idBytes {
			copy(b.random[i:], stamp[:6])
		}
		hex.Encode(b.text[:], b.random[:])
		b.rest = string(b.text[:])
	}
	id := b.rest[:idLength]
	b.rest = b.rest[idLength:]
	idBlocks.Put(b)
	return id
}
