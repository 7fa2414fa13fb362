package storagetest

import (
	"context"
	"slices"
	"testing"

	"github.com/certbound/certbound/storage"
)

// deletePruned deletes events up to a number and returns how many went.
func deletePruned(t testing.TB, s storage.Store, streamID, upTo int64) (deleted int64) {
	t.Helper()
	do(t, s, func(tx storage.Tx) (err error) {
		deleted, err = tx.DeletePrunedAuditEvents(t.Context(), streamID, upTo)
		return err
	})
	return deleted
}

func pruneStream(e storage.AuditEvent) func(ctx context.Context, tx storage.Tx) error {
	return func(ctx context.Context, tx storage.Tx) error {
		return tx.PruneAuditStream(ctx, e.StreamID, e.Seq, e.Hash)
	}
}

// testAuditPruning: events go up to where a chain was told to begin, never beyond,
// in whole appends, with what they are found by; the other chain stays as it is.
func testAuditPruning(t *testing.T, s storage.Store) {
	ctx := t.Context()
	var have []storage.AuditEvent
	for _, count := range []int{2, 1, 3, 1} { // 1 2, 3, 4 5 6, 7
		have = append(have, appendTo(t, s, "one", slices.Repeat([]storage.AuditEvent{fullEvent()}, count)...)...)
	}
	other := appendTo(t, s, "two", fullEvent(), fullEvent())
	id := have[0].StreamID
	index(t, s, id, nil, 6)
	checkRefused(t, s, []refused{
		{"no such stream", func(ctx context.Context, tx storage.Tx) error { return tx.PruneAuditStream(ctx, 99, 1, have[0].Hash) }, storage.ErrNotFound},
		{"what is not indexed", pruneStream(have[6]), storage.ErrConflict},
		{"nothing", func(ctx context.Context, tx storage.Tx) error {
			return tx.PruneAuditStream(ctx, id, 0, storage.AuditHash{})
		}, storage.ErrStale},
	})
	indexEverything(t, s)
	if n := deletePruned(t, s, id, 99); n != 0 {
		t.Errorf("%d events deleted of a chain that was never pruned", n)
	}
	for _, e := range []storage.AuditEvent{have[2], have[4]} { // once more, in the middle of an append
		do(t, s, func(tx storage.Tx) error { return pruneStream(e)(ctx, tx) })
	}
	checkRefused(t, s, []refused{{"twice", pruneStream(have[4]), storage.ErrStale}, {"back", pruneStream(have[2]), storage.ErrStale}})
	same(t, "chain before anything is deleted", must[[]storage.AuditEvent](t)(s.AuditChain(ctx, id, 0, 10)), have)

	for _, step := range []struct{ upTo, deleted int64 }{{1, 0}, {2, 2}, {2, 0}, {99, 1}, {99, 0}} {
		if got := deletePruned(t, s, id, step.upTo); got != step.deleted {
			t.Errorf("up to %d: %d deleted, want %d", step.upTo, got, step.deleted)
		}
	}
	same(t, "chain", must[[]storage.AuditEvent](t)(s.AuditChain(ctx, id, 0, 10)), have[3:])
	same(t, "the other chain", must[[]storage.AuditEvent](t)(s.AuditChain(ctx, other[0].StreamID, 0, 10)), other)
	stream := must[[]storage.AuditStream](t)(s.AuditStreams(ctx))[0]
	if stream.PrunedSeq != 5 || stream.PrunedHash != have[4].Hash || stream.HeadSeq != 7 || stream.HeadHash != have[6].Hash {
		t.Errorf("stream %+v", stream)
	}
	for _, q := range auditTerms(have[0]) {
		q.Limit = 100
		if found := must[[]storage.AuditEvent](t)(s.AuditEvents(ctx, q)); len(found) != 4+len(other) {
			t.Errorf("%+v finds %d events, want %d", q, len(found), 4+len(other))
		}
	}
	prunedWhole(t, s, have)
}

// auditTerms are queries that each find the event by another term.
func auditTerms(e storage.AuditEvent) []storage.AuditQuery {
	return []storage.AuditQuery{
		{}, {ClientID: e.ClientID}, {Reason: e.Reason}, {ClientID: e.ClientID, Reason: e.Reason}, {Kind: e.Kind},
		{Thumbprint: e.Thumbprint}, {RequestID: e.RequestID},
	}
}

// prunedWhole: a chain of which nothing is left still says where it goes on.
func prunedWhole(t *testing.T, s storage.Store, have []storage.AuditEvent) {
	t.Helper()
	ctx := t.Context()
	last := have[len(have)-1]
	do(t, s, func(tx storage.Tx) error { return pruneStream(last)(ctx, tx) })
	if n := deletePruned(t, s, last.StreamID, last.Seq); n != 4 {
		t.Errorf("%d events deleted, want 4", n)
	}
	stream := must[[]storage.AuditStream](t)(s.AuditStreams(ctx))[0]
	if stream.HeadSeq != last.Seq || stream.HeadHash != last.Hash || stream.IndexedSeq != last.Seq {
		t.Errorf("stream %+v, want it to end at %d", stream, last.Seq)
	}
	next := appendTo(t, s, "one", fullEvent())
	same(t, "chain", must[[]storage.AuditEvent](t)(s.AuditChain(ctx, last.StreamID, 0, 10)), next)
	for {
		more, err := s.Reclaim(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
}

func testAuditPrunings(t *testing.T, s storage.Store) {
	ctx := t.Context()
	list := func(before int64, limit int) []storage.AuditPruning {
		t.Helper()
		return must[[]storage.AuditPruning](t)(s.AuditPrunings(ctx, before, limit))
	}
	if none := list(0, 10); none == nil || len(none) != 0 {
		t.Errorf("no prunings read as %#v, want an empty slice", none)
	}
	first := storage.AuditPruning{KID: "kid-2", JWS: "a.b.c", CreatedAt: at(9)}
	second := storage.AuditPruning{KID: "kid-1", JWS: "d.e.f", CreatedAt: at(3)} // the clock was set back
	for _, p := range []*storage.AuditPruning{&first, &second} {
		do(t, s, func(tx storage.Tx) (err error) { p.ID, err = tx.AddAuditPruning(ctx, *p); return err })
	}
	first.CreatedAt, second.CreatedAt = stored(9), stored(3)
	same(t, "prunings", list(0, 10), []storage.AuditPruning{second, first})
	same(t, "the last one", list(0, 1), []storage.AuditPruning{second})
	same(t, "the ones before it", list(second.ID, 10), []storage.AuditPruning{first})
	if _, err := s.AuditPrunings(ctx, 0, 0); err == nil {
		t.Error("a limit of 0 was accepted")
	}
	err := failing(t, s, func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.AddAuditPruning(ctx, storage.AuditPruning{KID: "kid", CreatedAt: epoch})
		return err
	})
	if err == nil {
		t.Error("a pruning without a statement was accepted")
	}
}
