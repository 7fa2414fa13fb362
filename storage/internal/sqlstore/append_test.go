package sqlstore

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// next continues a stream by one event; its hash is its number.
func next(stream storage.AuditStream) storage.AuditEvent {
	e := storage.AuditEvent{StreamID: stream.ID, Seq: stream.HeadSeq + 1, Prev: stream.HeadHash, Time: time.Unix(1, 0), Kind: "k", Detail: "{}"}
	e.Hash[0] = byte(e.Seq)
	return e
}

// TestGroupCommitPrepared: the statements of a group commit are prepared once, on
// the handle that writes, also when that has but one connection.
func TestGroupCommitPrepared(t *testing.T) {
	s := newStore(t, colliding())
	s.config.Writes.SetMaxOpenConns(1)
	ctx := t.Context()
	for range 3 {
		err := s.Update(ctx, func(tx storage.Tx) error {
			stream, err := tx.AuditStreamFor(ctx, "a", time.Unix(1, 0))
			if err != nil {
				return err
			}
			return tx.AppendAuditEvents(ctx, stream.ID, []storage.AuditEvent{next(stream)})
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.writing.byText); n != len(groupCommit) {
			t.Errorf("%d statements are prepared, want %d", n, len(groupCommit))
		}
	}
	var head int64
	if err := s.one(ctx, `SELECT last_seq FROM audit_batches ORDER BY id DESC LIMIT 1`, nil, &head); err != nil || head != 3 {
		t.Errorf("head %d, error %v, want 3", head, err)
	}
}

// TestUnprepared: a statement nobody prepared runs all the same.
func TestUnprepared(t *testing.T) {
	s := newStore(t, colliding())
	ctx := t.Context()
	sqlTx, err := s.config.Writes.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sqlTx.Rollback() }()
	d := direct{tx: sqlTx}
	change := &tx{reader: reader{d}, direct: d, dialect: colliding()}
	stream, err := change.AuditStreamFor(ctx, "a", time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := change.AppendAuditEvents(ctx, stream.ID, []storage.AuditEvent{next(stream)}); err != nil {
		t.Error(err)
	}
}

// TestPoisonedAppends: after a failed write, appending returns its error, with
// nothing to append as well.
func TestPoisonedAppends(t *testing.T) {
	s := newStore(t, colliding())
	ctx := t.Context()
	err := s.Update(ctx, func(tx storage.Tx) error {
		if _, err := tx.RaiseGeneration(ctx, "nobody", time.Unix(1, 0)); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got error %v, want ErrNotFound", err)
		}
		_, feed := tx.AppendFeed(ctx, nil)
		_, pruned := tx.PruneFeed(ctx, time.Unix(1, 0))
		for what, err := range map[string]error{
			"events": tx.AppendAuditEvents(ctx, 1, nil), "feed": feed, "pruning": pruned,
		} {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: got error %v, want the first one", what, err)
			}
		}
		return nil
	})
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Update: got error %v, want the first one", err)
	}
}
