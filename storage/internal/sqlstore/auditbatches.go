package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/certbound/certbound/storage"
)

// seqBits is how many bits of a batch's id are the number of its first event.
const seqBits = 40

func batchID(streamID, seq int64) int64 { return streamID<<seqBits | seq }

const (
	batchColumns = `SELECT id, last_seq, prev, hash, body FROM audit_batches `

	// The batch that has an event, if there is one.
	batchOf = batchColumns + `WHERE id <= $1 ORDER BY id DESC LIMIT 1`

	// All of one stream from the batch that has an event on.
	batchesFrom = batchColumns + `WHERE id < $1 AND id >= coalesce(
		(SELECT max(id) FROM audit_batches WHERE id <= $2), $2) ORDER BY id`

	// No row where there is one, and none when the registration has changed.
	commitBatch = `
		INSERT INTO audit_batches (id, last_seq, prev, hash, body)
		SELECT $1, $2, $3, $4, $5 WHERE $6 = 0 OR $6 = (SELECT version FROM registration WHERE id = 1)
		ON CONFLICT (id) DO NOTHING`
)

// batch is a row of audit_batches, with its events undone.
type batch struct {
	streamID, first, last int64
	prev, hash            storage.AuditHash
	lines                 []string
}

func scanBatch(scan func(...any) error) (b batch, err error) {
	var body string
	var id int64
	if err := scan(&id, &b.last, hashInto{&b.prev}, hashInto{&b.hash}, &body); err != nil {
		return b, err
	}
	b.streamID, b.first = id>>seqBits, id&(1<<seqBits-1)
	b.lines = linesOf(body)
	return b, nil
}

func linesOf(body string) []string {
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(body, bodyBegin), bodyEnd), lineBreak)
}

// event returns the event of line i, behind the one with that hash.
func (b *batch) event(i int, prev storage.AuditHash) storage.AuditEvent {
	e, err := decodeLine(b.lines[i])
	if err != nil {
		e = unreadable(b.lines[i])
		e.Seq = b.first + int64(i)
	}
	e.StreamID, e.Prev = b.streamID, prev
	return e
}

// find returns the event of a number, and whether the batch has it.
func (b *batch) find(seq int64) (storage.AuditEvent, bool) {
	i := int(seq - b.first)
	if i < 0 || i >= len(b.lines) {
		return storage.AuditEvent{}, false
	}
	prev := b.prev
	if i > 0 {
		prev = b.event(i-1, prev).Hash
	}
	e := b.event(i, prev)
	return e, e.Seq == seq
}

// AuditChain implements storage.AuditReader.
func (r reader) AuditChain(ctx context.Context, streamID, afterSeq int64, limit int) ([]storage.AuditEvent, error) {
	if limit < 1 {
		return nil, fmt.Errorf("storage: audit chain: limit %d is not positive", limit)
	}
	events := []storage.AuditEvent{}
	enough := errors.New("enough")
	err := r.each(ctx, batchesFrom, []any{batchID(streamID+1, 0), batchID(streamID, afterSeq+1)}, func(scan func(...any) error) error {
		b, err := scanBatch(scan)
		if err != nil || b.streamID != streamID {
			return err
		}
		prev := b.prev
		for i := range b.lines {
			e := b.event(i, prev)
			prev = e.Hash
			if e.Seq > afterSeq {
				events = append(events, e)
			}
			if len(events) == limit {
				return enough
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	return events, nil
}

// AppendAuditEvents implements storage.AuditWriter.
func (t *tx) AppendAuditEvents(ctx context.Context, streamID int64, events []storage.AuditEvent) error {
	if t.failed != nil || len(events) == 0 {
		return t.failed
	}
	args, err := batchArgs(streamID, events)
	if err != nil {
		return t.fail(err)
	}
	stream, err := t.stream(ctx, streamByID, streamID)
	if err != nil {
		return t.fail(err)
	}
	if stream.HeadSeq != events[0].Seq-1 || stream.HeadHash != events[0].Prev {
		return t.fail(storage.ErrStale)
	}
	stored, err := t.execCount(ctx, "audit_batches", commitBatch, append(args, 0)...)
	if err == nil && stored == 0 {
		err = t.fail(storage.ErrStale)
	}
	return err
}

// CommitAuditEvents implements storage.AuditCommitter. One statement is a
// transaction of its own: measured, BEGIN and COMMIT around it cost as much again.
func (s *Store) CommitAuditEvents(ctx context.Context, streamID int64, events []storage.AuditEvent, registration int64) error {
	if len(events) == 0 {
		return nil
	}
	args, err := batchArgs(streamID, events)
	if err != nil {
		return err
	}
	return s.patiently(ctx, func() error {
		stmt, err := s.writing.prepare(ctx, commitBatch)
		if err != nil {
			return failure(ctx, err)
		}
		result, err := stmt.ExecContext(ctx, append(args, registration)...)
		if err != nil {
			return failure(ctx, err)
		}
		if stored, err := result.RowsAffected(); err != nil || stored != 1 {
			return errors.Join(err, storage.ErrStale)
		}
		return nil
	})
}

// batchArgs are the first five of commitBatch.
func batchArgs(streamID int64, events []storage.AuditEvent) ([]any, error) {
	if err := checkLinks(streamID, events); err != nil {
		return nil, err
	}
	body, err := encodeBody(events)
	if err != nil {
		return nil, err
	}
	first, last := &events[0], &events[len(events)-1]
	return append(make([]any, 0, 6), batchID(streamID, first.Seq), last.Seq, first.Prev[:], last.Hash[:], body), nil
}

// checkLinks makes sure that one row for all events is right.
func checkLinks(streamID int64, events []storage.AuditEvent) error {
	if first := events[0].Seq; first < 1 || first >= 1<<seqBits {
		return fmt.Errorf("storage: audit event %d: no stream has an event of that number", first)
	}
	for i := range events {
		e := &events[i]
		if e.StreamID != streamID {
			return fmt.Errorf("storage: audit event %d of stream %d was to be appended to stream %d", e.Seq, e.StreamID, streamID)
		}
		if i > 0 && (e.Seq != events[i-1].Seq+1 || e.Prev != events[i-1].Hash) {
			return fmt.Errorf("storage: audit event %d does not continue event %d", e.Seq, events[i-1].Seq)
		}
	}
	return nil
}
