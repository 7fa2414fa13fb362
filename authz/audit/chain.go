package audit

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/certbound/certbound/storage"
)

// chainVersion separates this encoding from any later one.
const chainVersion = "certbound audit v1"

// link computes the hash of an event whose Seq and Prev are set: SHA-256 over the
// hash before it and every field. Each text is preceded by its length, so that no
// two events encode alike.
func link(e *storage.AuditEvent) storage.AuditHash {
	return sha256.Sum256(appendEvent(make([]byte, 0, usualLink), e))
}

// usualLink is room for what the hash of an event is computed over.
const usualLink = 1536

func appendEvent(b []byte, e *storage.AuditEvent) []byte {
	b = append(b, chainVersion...)
	b = append(b, e.Prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.StreamID))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.Unix()))
	b = append(b, e.Thumbprint[:]...)
	for _, text := range []string{
		e.Kind, e.Reason, e.PartnerID, e.ClientID, e.Actor, e.TokenID, e.RequestID, e.Detail,
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return b
}

// extend gives the events their places behind the head of the stream, and returns
// the stream with the last of them as its head.
func extend(stream storage.AuditStream, events []storage.AuditEvent) storage.AuditStream {
	b := make([]byte, 0, usualLink)
	for i := range events {
		e := &events[i]
		e.StreamID, e.Seq, e.Prev = stream.ID, stream.HeadSeq+1, stream.HeadHash
		b = appendEvent(b[:0], e)
		e.Hash = sha256.Sum256(b)
		stream.HeadSeq, stream.HeadHash = e.Seq, e.Hash
	}
	return stream
}
