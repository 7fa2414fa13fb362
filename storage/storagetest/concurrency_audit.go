package storagetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/storage"
)

// testOneHead: of many who continue the same head one wins, and the others are
// told that it has moved.
func testOneHead(t *testing.T, s storage.Store) {
	ctx := t.Context()
	appendTo(t, s, "one", fullEvent())
	head := must[[]storage.AuditStream](t)(s.AuditStreams(ctx))[0]
	winners := 0
	for _, err := range together(func(i int) error {
		e := fullEvent()
		e.Kind = fmt.Sprintf("by %d", i)
		return s.Update(ctx, func(tx storage.Tx) error {
			return tx.AppendAuditEvents(ctx, head.ID, chained(head, e, e))
		})
	}) {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, storage.ErrStale):
			t.Errorf("a loser got %v, want ErrStale", err)
		}
	}
	if winners != 1 {
		t.Errorf("%d winners, want 1", winners)
	}
	wantChains(t, s, 3)
}

// testManyStreams: whoever reads the head in the transaction that moves it never
// fails, on streams that exist or not.
func testManyStreams(t *testing.T, s storage.Store) {
	ctx := t.Context()
	for _, err := range together(func(i int) error {
		return s.Update(ctx, func(tx storage.Tx) error {
			stream, err := tx.AuditStreamFor(ctx, fmt.Sprintf("instance-%d", i%3), epoch)
			if err != nil {
				return err
			}
			return tx.AppendAuditEvents(ctx, stream.ID, chained(stream, fullEvent(), fullEvent()))
		})
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := len(must[[]storage.AuditStream](t)(s.AuditStreams(ctx))); n != 3 {
		t.Errorf("%d streams, want 3", n)
	}
	wantChains(t, s, 2*crowd)
}

// wantChains follows every stream to its head.
func wantChains(t testing.TB, s storage.Store, events int) {
	t.Helper()
	total := 0
	for _, stream := range must[[]storage.AuditStream](t)(s.AuditStreams(t.Context())) {
		seq, hash := int64(0), storage.AuditHash{}
		for _, e := range must[[]storage.AuditEvent](t)(s.AuditChain(t.Context(), stream.ID, 0, 1000)) {
			if e.Seq != seq+1 || e.Prev != hash {
				t.Errorf("stream %s: event %d does not continue event %d", stream.Instance, e.Seq, seq)
			}
			seq, hash = e.Seq, e.Hash
			total++
		}
		if stream.HeadSeq != seq || stream.HeadHash != hash {
			t.Errorf("stream %s: the head is %d, the last event %d", stream.Instance, stream.HeadSeq, seq)
		}
	}
	if total != events {
		t.Errorf("%d events, want %d", total, events)
	}
}

// testFeedOrder: numbers have no gap, though every fifth writer rolls back, and
// become visible in their order: who has read up to a number never finds a lower
// one later.
func testFeedOrder(t *testing.T, s storage.Store) {
	ctx := t.Context()
	var given [2*crowd + 1]atomic.Bool
	var finished atomic.Int32
	readers, writers := crowd/10, crowd-crowd/10
	errs := together(func(i int) error {
		if i < readers {
			return followFeed(t, s, func() bool { return finished.Load() == int32(writers) })
		}
		defer finished.Add(1)
		var seq int64
		err := s.Update(ctx, func(tx storage.Tx) (err error) {
			seq, err = tx.AppendFeed(ctx, []storage.FeedEntry{denyToken(fmt.Sprintf("a-%d", i), 60), denyToken(fmt.Sprintf("b-%d", i), 60)})
			if err == nil && i%5 == 0 {
				err = errOwn
			}
			return err
		})
		if err == nil && (given[seq].Swap(true) || given[seq-1].Swap(true)) {
			return fmt.Errorf("number %d or %d was given twice", seq-1, seq)
		}
		return err
	})
	committed := 0
	for i, err := range errs {
		switch {
		case i >= readers && i%5 == 0:
			if !errors.Is(err, errOwn) {
				t.Errorf("writer %d: got error %v, want its own", i, err)
			}
		case err != nil:
			t.Errorf("caller %d: %v", i, err)
		case i >= readers:
			committed++
		}
	}
	f := must[storage.Feed](t)(s.FeedEntries(ctx, 0, epoch, 1000))
	if len(f.Entries) != 2*committed || f.Seq != int64(2*committed) {
		t.Errorf("%d entries and head %d after %d commits of two", len(f.Entries), f.Seq, committed)
	}
	for i, e := range f.Entries {
		if e.Seq != int64(i+1) || !given[e.Seq].Load() {
			t.Errorf("the entry at place %d has number %d", i, e.Seq)
		}
	}
}

// followFeed reads deltas until stop says that no more will come, and checks that
// put together they have no gap.
func followFeed(t testing.TB, s storage.Reader, stop func() bool) error {
	known := int64(0)
	for {
		last := stop() // before reading: what was written until then must show
		f, err := s.FeedEntries(t.Context(), known, epoch, 1000)
		if err != nil {
			return err
		}
		for _, e := range f.Entries {
			if e.Seq != known+1 {
				return fmt.Errorf("entry %d became visible after %d", e.Seq, known)
			}
			known = e.Seq
		}
		if f.Seq != known {
			return fmt.Errorf("the entries end at %d, the feed says %d", known, f.Seq)
		}
		if last {
			return nil
		}
	}
}
