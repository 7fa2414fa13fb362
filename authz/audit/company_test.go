package audit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// flush is how long a commit of a timed store takes.
const flush = 3 * time.Millisecond

// timed is a store that keeps nothing.
type timed struct{ counted }

func (s *timed) CommitAuditEvents(_ context.Context, _ int64, events []storage.AuditEvent, _ int64) error {
	<-time.After(flush)
	s.seq += int64(len(events))
	return nil
}

func (s *timed) Update(_ context.Context, fn func(storage.Tx) error) error {
	return fn(&timedTx{countedTx{counted: &s.counted}, s})
}

type timedTx struct {
	countedTx
	timed *timed
}

func (s *timedTx) AppendAuditEvents(ctx context.Context, stream int64, events []storage.AuditEvent) error {
	return s.timed.CommitAuditEvents(ctx, stream, events, 0)
}

// recordAfter records an event a while from now and tells how long Record took.
func recordAfter(t *testing.T, r *audit.Recorder, wait time.Duration, i int) <-chan time.Duration {
	t.Helper()
	took := make(chan time.Duration, 1)
	go func() {
		<-time.After(wait)
		begin := time.Now()
		if err := r.Record(t.Context(), issued(i)); err != nil {
			t.Error(err)
		}
		took <- time.Since(begin)
	}()
	return took
}

// TestWhoIsAloneDoesNotWait for others to share a commit with.
func TestWhoIsAloneDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder, stop := run(t, new(timed), func(c *audit.Config) { c.Clock = time.Now })
		defer stop()
		for i := range 3 {
			if took := <-recordAfter(t, recorder, time.Microsecond, i); took != flush {
				t.Errorf("Record took %s, its commit %s", took, flush)
			}
		}
	})
}

// TestCompanyIsWaitedFor: those who shared a commit share the next one when they
// are back within the moment that is waited for them, and nobody waits longer.
func TestCompanyIsWaitedFor(t *testing.T) {
	const moment = 12 * time.Millisecond
	for name, c := range map[string]struct {
		second time.Duration // when the other one comes back
		first  time.Duration // what the first one waits for
		shared bool
	}{
		"at once":         {0, flush, true},
		"in a moment":     {200 * time.Microsecond, 200*time.Microsecond + flush, true},
		"after that":      {moment + time.Microsecond, moment + flush, false},
		"not for a while": {time.Second, moment + flush, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				recorder, stop := run(t, new(timed), func(c *audit.Config) { c.Clock = time.Now })
				defer stop()
				// One is committed, and meanwhile two come, who wait for it and share the next.
				for i, done := range []<-chan time.Duration{
					recordAfter(t, recorder, 0, 0), recordAfter(t, recorder, flush/2, 1), recordAfter(t, recorder, flush/2, 2),
				} {
					if took := <-done; i > 0 && took != flush/2+moment+flush {
						t.Errorf("Record took %s", took)
					}
				}
				synctest.Wait()
				before := recorder.Stats().Batches
				first, second := recordAfter(t, recorder, 0, 3), recordAfter(t, recorder, c.second, 4)
				if took := <-first; took != c.first {
					t.Errorf("the first waited %s, want %s", took, c.first)
				}
				<-second
				synctest.Wait()
				if commits := recorder.Stats().Batches - before; (commits == 1) != c.shared {
					t.Errorf("%d commits", commits)
				}
			})
		})
	}
}

// TestFullQueueTakesMoreWhenItHasRoom: who finds no room waits for it, or leaves.
func TestFullQueueTakesMoreWhenItHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counted{gate: make(chan struct{})}
		recorder, stop := run(t, store, nil)
		const callers = 4300 // more than the queue and one commit hold
		left, leave := context.WithCancel(t.Context())
		done := make(chan error, callers+1)
		for i := range callers {
			go func() { done <- recorder.Record(t.Context(), issued(i)) }()
		}
		synctest.Wait()
		go func() { done <- recorder.Record(left, issued(callers)) }()
		synctest.Wait()
		leave()
		if err := <-done; !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		close(store.gate)
		for range callers {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if stats := recorder.Stats(); stats.Committed != callers || stats.Queued != 0 {
			t.Errorf("%+v", stats)
		}
	})
}
