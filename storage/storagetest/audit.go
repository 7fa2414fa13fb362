package storagetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// chained gives events their places behind the head of a stream. The hashes are
// not those of package audit: a store does not compute.
func chained(stream storage.AuditStream, events ...storage.AuditEvent) []storage.AuditEvent {
	seq, prev := stream.HeadSeq, stream.HeadHash
	for i := range events {
		seq++
		e := &events[i]
		e.StreamID, e.Seq, e.Prev = stream.ID, seq, prev
		e.Hash = sha256.Sum256(fmt.Append(prev[:], stream.ID, seq, e.Kind))
		prev = e.Hash
	}
	return events
}

// appendTo appends events to the stream of an instance and returns them as they
// are stored.
func appendTo(t testing.TB, s storage.Store, instance string, events ...storage.AuditEvent) []storage.AuditEvent {
	t.Helper()
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		stream, err := tx.AuditStreamFor(ctx, instance, epoch)
		if err != nil {
			return err
		}
		return tx.AppendAuditEvents(ctx, stream.ID, chained(stream, events...))
	})
	return events
}

// fullEvent has a value in every member.
func fullEvent() storage.AuditEvent {
	return storage.AuditEvent{
		Time: stored(0), Kind: "token.refused", Reason: "subject_mismatch", PartnerID: "acme", ClientID: "edge", Actor: "admin",
		Thumbprint: thumbprint.Thumbprint(sha256.Sum256([]byte("x"))), TokenID: "jti-1",
		RequestID: "000102030405060708090a0b0c0d0eff", Detail: `{"expected":"CN=O'Brien Söhne"}`,
	}
}

func testAuditStreams(t *testing.T, s storage.Store) {
	ctx := t.Context()
	if none := must[[]storage.AuditStream](t)(s.AuditStreams(ctx)); none == nil || len(none) != 0 {
		t.Errorf("no streams read as %#v, want an empty slice", none)
	}
	ensure := func(instance string, after int) (stream storage.AuditStream) {
		do(t, s, func(tx storage.Tx) (err error) {
			stream, err = tx.AuditStreamFor(ctx, instance, at(after))
			return err
		})
		return stream
	}
	one, two := ensure("one", 0), ensure("two", 5)
	if one.ID == two.ID {
		t.Errorf("two instances share stream %d", one.ID)
	}
	same(t, "a new stream", one, storage.AuditStream{ID: one.ID, Instance: "one", CreatedAt: stored(0)})
	same(t, "the same stream later", ensure("one", 9), one)

	first := appendTo(t, s, "one", fullEvent(), storage.AuditEvent{Time: at(1), Kind: "token.issued", Detail: "{}"})
	second := appendTo(t, s, "one", storage.AuditEvent{Time: stored(2), Kind: "client.disabled", Detail: "{}"})
	one.HeadSeq, one.HeadHash = 3, second[0].Hash
	same(t, "streams", must[[]storage.AuditStream](t)(s.AuditStreams(ctx)), []storage.AuditStream{one, two})

	want := append(first, second...)
	want[1].Time = stored(1)
	chain := func(stream, after int64, limit int) []storage.AuditEvent {
		t.Helper()
		return must[[]storage.AuditEvent](t)(s.AuditChain(ctx, stream, after, limit))
	}
	same(t, "chain", chain(one.ID, 0, 10), want)
	same(t, "chain, first two", chain(one.ID, 0, 2), want[:2])
	same(t, "chain, the rest", chain(one.ID, 2, 2), want[2:])
	same(t, "chain beyond the head", chain(one.ID, 3, 2), []storage.AuditEvent(nil))
	same(t, "chain of another stream", chain(two.ID, 0, 2), []storage.AuditEvent(nil))
	for _, limit := range []int{0, -1} {
		if _, err := s.AuditChain(ctx, one.ID, 0, limit); err == nil || err.Error() != fmt.Sprintf("storage: audit chain: limit %d is not positive", limit) {
			t.Errorf("chain with limit %d: got error %v", limit, err)
		}
	}
}

func testAuditAppend(t *testing.T, s storage.Store) {
	ctx := t.Context()
	have := appendTo(t, s, "one", fullEvent(), fullEvent())
	streams := must[[]storage.AuditStream](t)(s.AuditStreams(ctx))
	head := streams[0]

	next := func(change func(events []storage.AuditEvent)) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			events := chained(head, fullEvent(), fullEvent(), fullEvent())
			change(events)
			return tx.AppendAuditEvents(ctx, head.ID, events)
		}
	}
	checkRefused(t, s, []refused{
		{"no such stream", func(ctx context.Context, tx storage.Tx) error {
			return tx.AppendAuditEvents(ctx, 99, chained(storage.AuditStream{ID: 99}, fullEvent()))
		}, storage.ErrNotFound},
		{"what is there already", func(ctx context.Context, tx storage.Tx) error {
			return tx.AppendAuditEvents(ctx, head.ID, have[1:])
		}, storage.ErrStale},
		{"a gap", func(ctx context.Context, tx storage.Tx) error {
			return tx.AppendAuditEvents(ctx, head.ID, chained(head, fullEvent(), fullEvent())[1:])
		}, storage.ErrStale},
		{"another hash before", next(func(events []storage.AuditEvent) { events[0].Prev[0]++ }), storage.ErrStale},
		{"the beginning", func(ctx context.Context, tx storage.Tx) error {
			return tx.AppendAuditEvents(ctx, head.ID, chained(storage.AuditStream{ID: head.ID}, fullEvent()))
		}, storage.ErrStale},
	})
	for name, c := range map[string]struct {
		change func(events []storage.AuditEvent)
		want   string // "": whatever the database says
	}{
		"a gap inside":        {func(events []storage.AuditEvent) { events[2].Seq++ }, "storage: audit event 6 does not continue event 4"},
		"a break inside":      {func(events []storage.AuditEvent) { events[1].Prev[0]++ }, "storage: audit event 4 does not continue event 3"},
		"another stream":      {func(events []storage.AuditEvent) { events[1].StreamID++ }, fmt.Sprintf("storage: audit event 4 of stream %d was to be appended to stream %d", head.ID+1, head.ID)},
		"upper-case request":  {func(events []storage.AuditEvent) { events[2].RequestID = "000102030405060708090A0B0C0D0EFF" }, `storage: request id "000102030405060708090A0B0C0D0EFF" is not 32 lower-case hex digits`},
		"short request":       {func(events []storage.AuditEvent) { events[2].RequestID = "00" }, `storage: request id "00" is not 32 lower-case hex digits`},
		"request of no digit": {func(events []storage.AuditEvent) { events[2].RequestID = "'; DROP TABLE audit_events; ----" }, `storage: request id "'; DROP TABLE audit_events; ----" is not 32 lower-case hex digits`},
		"no kind":             {func(events []storage.AuditEvent) { events[2].Kind = "" }, ""},
		"no time":             {func(events []storage.AuditEvent) { events[2].Time = time.Time{} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := failing(t, s, next(c.change))
			if err == nil || c.want != "" && err.Error() != c.want {
				t.Errorf("got error %v, want %s", err, c.want)
			}
		})
	}
	same(t, "streams after refused appends", must[[]storage.AuditStream](t)(s.AuditStreams(ctx)), streams)
	same(t, "chain after refused appends", must[[]storage.AuditEvent](t)(s.AuditChain(ctx, head.ID, 0, 10)), have)

	do(t, s, func(tx storage.Tx) error { return tx.AppendAuditEvents(ctx, head.ID, nil) })
	do(t, s, func(tx storage.Tx) error { // two appends in one transaction
		if err := next(func([]storage.AuditEvent) {})(ctx, tx); err != nil {
			return err
		}
		moved := must[storage.AuditStream](t)(tx.AuditStreamFor(ctx, "one", epoch))
		if moved.HeadSeq != 5 {
			t.Errorf("head %d in the transaction, want 5", moved.HeadSeq)
		}
		return tx.AppendAuditEvents(ctx, head.ID, chained(moved, fullEvent()))
	})
	if chain := must[[]storage.AuditEvent](t)(s.AuditChain(ctx, head.ID, 0, 10)); len(chain) != 6 {
		t.Errorf("%d events, want 6", len(chain))
	}
}

func testAuditCheckpoints(t *testing.T, s storage.Store) {
	ctx := t.Context()
	list := func(before int64, limit int) []storage.AuditCheckpoint {
		t.Helper()
		return must[[]storage.AuditCheckpoint](t)(s.AuditCheckpoints(ctx, before, limit))
	}
	if none := list(0, 10); none == nil || len(none) != 0 {
		t.Errorf("no checkpoints read as %#v, want an empty slice", none)
	}
	first := storage.AuditCheckpoint{KID: "kid-2", JWS: "a.b.c", CreatedAt: at(9)}
	second := storage.AuditCheckpoint{KID: "kid-1", JWS: "d.e.f", CreatedAt: at(3)} // the clock was set back
	for _, c := range []*storage.AuditCheckpoint{&first, &second} {
		do(t, s, func(tx storage.Tx) (err error) { c.ID, err = tx.AddAuditCheckpoint(ctx, *c); return err })
	}
	if first.ID <= 0 || second.ID <= first.ID {
		t.Errorf("ids %d and %d", first.ID, second.ID)
	}
	first.CreatedAt, second.CreatedAt = stored(9), stored(3)
	same(t, "checkpoints", list(0, 10), []storage.AuditCheckpoint{second, first})
	same(t, "the last checkpoint", list(0, 1), []storage.AuditCheckpoint{second})
	same(t, "the ones before it", list(second.ID, 10), []storage.AuditCheckpoint{first})
	if _, err := s.AuditCheckpoints(ctx, 0, 0); err == nil {
		t.Error("a limit of 0 was accepted")
	}
	err := failing(t, s, func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.AddAuditCheckpoint(ctx, storage.AuditCheckpoint{KID: "kid", CreatedAt: epoch})
		return err
	})
	if err == nil {
		t.Error("a checkpoint without a statement was accepted")
	}
}
