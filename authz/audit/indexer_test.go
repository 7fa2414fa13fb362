package audit_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// unindexed is how many events a query has to read one by one.
func unindexed(t *testing.T, store storage.Store) (events int64) {
	t.Helper()
	streams, err := store.AuditStreams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		events += stream.HeadSeq - stream.IndexedSeq
	}
	return events
}

// TestIndexFollows: what is not indexed stays bounded while events come in, and is
// nothing after the recorder has stopped.
func TestIndexFollows(t *testing.T) {
	store := open(t)
	recorder, stop := run(t, store, func(c *audit.Config) { c.Durability = audit.Async })
	for i := range 2500 {
		if err := recorder.Record(t.Context(), issued(i)); err != nil {
			t.Fatal(err)
		}
		if i%500 == 0 {
			if n := unindexed(t, store); n > 1024+128+32 {
				t.Errorf("%d events are not indexed", n)
			}
		}
	}
	stop()
	if n := unindexed(t, store); n != 0 {
		t.Errorf("%d events are not indexed after the end", n)
	}
	verified(t, store, 2500)
	found, err := store.AuditEvents(t.Context(), storage.AuditQuery{ClientID: "acme-billing", Limit: 1000})
	if err != nil || len(found) != 1000 || !slices.IsSortedFunc(found, func(a, b storage.AuditEvent) int { return int(b.Seq - a.Seq) }) {
		t.Errorf("%d events, error %v", len(found), err)
	}
}

// TestIndexOfWhatOthersLeft: a process that died leaves events that are not indexed;
// whoever starts next sees to it, also under another name. So does it with events
// that were appended in transactions of others.
func TestIndexOfWhatOthersLeft(t *testing.T) {
	store := open(t)
	write := func(instance string) {
		recorder, err := audit.New(audit.Config{Store: store, Instance: instance, Clock: clock, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		err = store.Update(t.Context(), func(tx storage.Tx) error { return recorder.Append(t.Context(), tx, issued(1), issued(2)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	write("dead")
	write("as-1")
	recorder, stop := run(t, store, nil)
	if err := recorder.Record(t.Context(), issued(3)); err != nil {
		t.Fatal(err)
	}
	err := store.Update(t.Context(), func(tx storage.Tx) error { return recorder.Append(t.Context(), tx, issued(4)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := recorder.Record(t.Context(), issued(5)); err != nil {
		t.Fatal(err)
	}
	stop()
	if n := unindexed(t, store); n != 0 {
		t.Errorf("%d events are not indexed", n)
	}
	verified(t, store, 7)
}

// TestIndexThatFails is written later: events are stored all the same.
func TestIndexThatFails(t *testing.T) {
	var broken atomic.Bool
	store := &slow{Store: open(t), failure: func() error {
		if broken.Load() {
			return errors.New("the disk is full")
		}
		return nil
	}}
	recorder, stop := run(t, store, nil)
	if err := recorder.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	stop()
	if n := unindexed(t, store.Store); n != 1 {
		t.Errorf("%d events are not indexed, want 1", n)
	}
	broken.Store(false)
	_, stop = run(t, store, nil)
	stop()
	if n := unindexed(t, store.Store); n != 0 {
		t.Errorf("%d events are not indexed after the next start", n)
	}
}

// TestIndexInTime: few events are indexed before long.
func TestIndexInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counted{gate: make(chan struct{})}
		close(store.gate)
		recorder, _ := run(t, store, nil)
		if err := recorder.Record(t.Context(), issued(1)); err != nil {
			t.Fatal(err)
		}
		if store.indexed.Load() != 0 {
			t.Error("each commit has its index")
		}
		<-time.After(time.Second) // of the test's own clock
		if n := store.indexed.Load(); n != 1 {
			t.Errorf("%d events are indexed, want 1", n)
		}
	})
}
