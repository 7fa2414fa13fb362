package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/certbound/certbound/storage"
)

// A stream and its last batch, which is its head.
const (
	selectStream = `
		SELECT s.id, s.instance, s.indexed_seq, s.created_at, s.pruned_seq, s.pruned_hash,
			coalesce(b.last_seq, s.pruned_seq), coalesce(b.hash, s.pruned_hash)
		FROM audit_streams s LEFT JOIN audit_batches b ON b.id >= s.id << 40 AND b.id = (
			SELECT max(id) FROM audit_batches WHERE id < (s.id + 1) << 40) `

	allStreams       = selectStream + `ORDER BY s.id`
	streamOfInstance = selectStream + `WHERE s.instance = $1`
	streamByID       = selectStream + `WHERE s.id = $1`
)

func scanStream(scan func(...any) error) (a storage.AuditStream, err error) {
	err = scan(&a.ID, &a.Instance, &a.IndexedSeq, timeInto{&a.CreatedAt}, &a.PrunedSeq, optional{hashInto{&a.PrunedHash}},
		&a.HeadSeq, optional{hashInto{&a.HeadHash}})
	return a, err
}

// stream returns one, or storage.ErrNotFound.
func (r reader) stream(ctx context.Context, text string, which any) (storage.AuditStream, error) {
	found, err := list(ctx, r, text, []any{which}, scanStream)
	if err == nil && len(found) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return storage.AuditStream{}, err
	}
	return found[0], nil
}

// AuditStreams implements storage.AuditReader.
func (r reader) AuditStreams(ctx context.Context) ([]storage.AuditStream, error) {
	return list(ctx, r, allStreams, nil, scanStream)
}

// AuditStreamFor implements storage.AuditWriter.
func (t *tx) AuditStreamFor(ctx context.Context, instance string, now time.Time) (storage.AuditStream, error) {
	found, err := t.stream(ctx, streamOfInstance, instance)
	if errors.Is(err, storage.ErrNotFound) {
		if err = t.execBeside(ctx, "audit_streams", `INSERT INTO audit_streams (instance, created_at) VALUES ($1, $2)`,
			instance, seconds(now)); err != nil {
			return storage.AuditStream{}, err
		}
		found, err = t.stream(ctx, streamOfInstance, instance)
	}
	if err != nil {
		return storage.AuditStream{}, t.fail(err)
	}
	return found, nil
}

// AuditCheckpoints implements storage.AuditReader.
func (r reader) AuditCheckpoints(ctx context.Context, before int64, limit int) ([]storage.AuditCheckpoint, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	if limit < 1 {
		return nil, fmt.Errorf("storage: audit checkpoints: limit %d is not positive", limit)
	}
	return list(ctx, r, `SELECT id, kid, jws, created_at FROM audit_checkpoints WHERE id < $1 ORDER BY id DESC LIMIT $2`, []any{before, limit},
		func(scan func(...any) error) (c storage.AuditCheckpoint, err error) {
			err = scan(&c.ID, &c.KID, &c.JWS, timeInto{&c.CreatedAt})
			return c, err
		})
}

// AddAuditCheckpoint implements storage.AuditWriter.
func (t *tx) AddAuditCheckpoint(ctx context.Context, c storage.AuditCheckpoint) (id int64, err error) {
	_, err = t.writeBeside(ctx, "audit_checkpoints", `INSERT INTO audit_checkpoints (kid, jws, created_at) VALUES ($1, $2, $3) RETURNING id`,
		[]any{c.KID, c.JWS, seconds(c.CreatedAt)}, &id)
	return id, err
}
