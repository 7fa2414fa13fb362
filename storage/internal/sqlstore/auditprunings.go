package sqlstore

import (
	"context"
	"fmt"
	"math"

	"github.com/certbound/certbound/storage"
)

const (
	// Whole batches of a stream, between two ids, that end before a number.
	batchesUpTo = batchColumns + `WHERE id >= $1 AND id <= $2 AND last_seq <= $3 ORDER BY id`

	deleteBatch = `DELETE FROM audit_batches WHERE id = $1`

	// A posting may begin before events that stay.
	postingsOfSecond = `SELECT seq, seqs FROM audit_postings WHERE term = $1 AND time = $2 AND stream_id = $3 AND seq <= $4`

	deletePosting = `DELETE FROM audit_postings WHERE term = $1 AND time = $2 AND stream_id = $3 AND seq = $4`
)

// AuditPrunings implements storage.AuditReader.
func (r reader) AuditPrunings(ctx context.Context, before int64, limit int) ([]storage.AuditPruning, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	if limit < 1 {
		return nil, fmt.Errorf("storage: audit prunings: limit %d is not positive", limit)
	}
	return list(ctx, r, `SELECT id, kid, jws, created_at FROM audit_prunings WHERE id < $1 ORDER BY id DESC LIMIT $2`, []any{before, limit},
		func(scan func(...any) error) (p storage.AuditPruning, err error) {
			err = scan(&p.ID, &p.KID, &p.JWS, timeInto{&p.CreatedAt})
			return p, err
		})
}

// AddAuditPruning implements storage.AuditWriter.
func (t *tx) AddAuditPruning(ctx context.Context, p storage.AuditPruning) (id int64, err error) {
	_, err = t.writeBeside(ctx, "audit_prunings", `INSERT INTO audit_prunings (kid, jws, created_at) VALUES ($1, $2, $3) RETURNING id`,
		[]any{p.KID, p.JWS, seconds(p.CreatedAt)}, &id)
	return id, err
}

// PruneAuditStream implements storage.AuditWriter.
func (t *tx) PruneAuditStream(ctx context.Context, streamID, seq int64, hash storage.AuditHash) error {
	stream, err := t.stream(ctx, streamByID, streamID)
	if err == nil && seq > stream.IndexedSeq {
		err = &storage.ConflictError{Rule: "audit_streams.pruned_seq beyond indexed_seq"}
	}
	if err != nil {
		return t.fail(err)
	}
	moved, err := t.execCount(ctx, "audit_streams", `UPDATE audit_streams SET pruned_seq = $1, pruned_hash = $2 WHERE id = $3 AND pruned_seq < $1`,
		seq, hash[:], streamID)
	if err == nil && moved == 0 {
		err = t.fail(storage.ErrStale)
	}
	return err
}

// DeletePrunedAuditEvents implements storage.AuditWriter.
func (t *tx) DeletePrunedAuditEvents(ctx context.Context, streamID, upTo int64) (int64, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	stream, err := t.stream(ctx, streamByID, streamID)
	if err != nil {
		return 0, t.fail(err)
	}
	upTo = min(upTo, stream.PrunedSeq)
	batches, err := list(ctx, t.reader, batchesUpTo, []any{batchID(streamID, 0), batchID(streamID, upTo), upTo}, scanBatch)
	if err != nil || len(batches) == 0 {
		return 0, err
	}
	if err := t.deletePostings(ctx, stream, eventsOf(batches)); err != nil {
		return 0, err
	}
	err = t.execEach(ctx, "audit_batches", deleteBatch, len(batches), func(i int) ([]any, error) {
		return []any{batchID(streamID, batches[i].first)}, nil
	})
	deleted := int64(0)
	for i := range batches {
		deleted += batches[i].last - batches[i].first + 1
	}
	return deleted, err
}

// eventsOf returns the events of batches that can be read.
func eventsOf(batches []batch) []storage.AuditEvent {
	var events []storage.AuditEvent
	for i := range batches {
		b := &batches[i]
		for line := range b.lines {
			if e := b.event(line, storage.AuditHash{}); e.Kind != "" {
				events = append(events, e)
			}
		}
	}
	return events
}

// deletePostings deletes what events are found by. A row that also leads to an event
// which stays is left: it goes with the last of its events, and until then a query
// passes over what is not there.
func (t *tx) deletePostings(ctx context.Context, stream storage.AuditStream, events []storage.AuditEvent) error {
	type row struct {
		term      string
		time, seq int64
	}
	var rows []row
	for _, p := range postingsOf(events) {
		err := t.each(ctx, postingsOfSecond, []any{p.term, p.time, stream.ID, stream.PrunedSeq}, func(scan func(...any) error) error {
			r := row{term: p.term, time: p.time}
			var text string
			if err := scan(&r.seq, &text); err != nil {
				return err
			}
			// What cannot be read leads nowhere.
			if seqs, err := decodeSeqs(r.seq, text); err != nil || seqs[len(seqs)-1] <= stream.PrunedSeq {
				rows = append(rows, r)
			}
			return nil
		})
		if err != nil {
			return t.fail(err)
		}
	}
	return t.execEach(ctx, "audit_postings", deletePosting, len(rows), func(i int) ([]any, error) {
		return []any{rows[i].term, rows[i].time, stream.ID, rows[i].seq}, nil
	})
}
