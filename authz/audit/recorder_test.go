package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return start }

var quiet = slog.New(slog.DiscardHandler)

// slow is a store whose commits wait for the test, and fail when it says so.
type slow struct {
	storage.Store
	gate    chan struct{} // one receive a commit; nil lets all through
	failure func() error
}

func (s *slow) Update(ctx context.Context, fn func(storage.Tx) error) error {
	if err := s.wait(); err != nil {
		return err
	}
	return s.Store.Update(ctx, fn)
}

func (s *slow) CommitAuditEvents(ctx context.Context, stream int64, events []storage.AuditEvent, registration int64) error {
	if err := s.wait(); err != nil {
		return err
	}
	return s.Store.CommitAuditEvents(ctx, stream, events, registration)
}

func (s *slow) wait() error {
	if s.gate != nil {
		<-s.gate
	}
	if s.failure != nil {
		return s.failure()
	}
	return nil
}

func open(t *testing.T) storage.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// run starts a recorder; the function it returns stops it and waits.
func run(t *testing.T, store audit.Store, change func(*audit.Config)) (*audit.Recorder, func()) {
	t.Helper()
	c := audit.Config{Store: store, Instance: "as-1", Clock: clock, Logger: quiet}
	if change != nil {
		change(&c)
	}
	recorder, err := audit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		recorder.Run(ctx)
	}()
	var once sync.Once
	stop := func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	return recorder, stop
}

func issued(i int) audit.Event {
	return audit.Event{
		Time: start, Kind: audit.TokenIssued, Partner: "acme", Client: "acme-billing", TokenID: fmt.Sprintf("jti-%d", i),
		RequestID: fmt.Sprintf("%032x", i), Detail: map[string]any{"scopes_held": []string{"a"}},
	}
}

// TestRecordIsDurableWhenItReturns: many at once share commits, and each is there
// when its Record has returned.
func TestRecordIsDurableWhenItReturns(t *testing.T) {
	store := open(t)
	recorder, _ := run(t, store, nil)
	const events = 300
	var all sync.WaitGroup
	for i := range events {
		all.Go(func() {
			if err := recorder.Record(t.Context(), issued(i)); err != nil {
				t.Error(err)
				return
			}
			found, err := store.AuditEvents(t.Context(), storage.AuditQuery{RequestID: fmt.Sprintf("%032x", i), Limit: 2})
			if err != nil || len(found) != 1 || found[0].TokenID != fmt.Sprintf("jti-%d", i) {
				t.Errorf("event %d: %v, %v", i, found, err)
			}
		})
	}
	all.Wait()
	stats := recorder.Stats()
	if stats.Committed != events {
		t.Errorf("%+v", stats)
	}
	verified(t, store, events)
}

// verified checks that the chains hold and have so many events.
func verified(t *testing.T, store storage.Store, events int64) {
	t.Helper()
	report, err := audit.Verify(t.Context(), store, nil, nil)
	if err != nil || len(report.Faults) > 0 || report.Events != events {
		t.Errorf("%+v, %v; want %d events", report, err, events)
	}
}

// counted is a store that keeps nothing and whose commits wait for the test.
type counted struct {
	storage.RegistrationReader // not asked

	gate    chan struct{}
	seq     int64
	indexed atomic.Int64
}

func (c *counted) Update(_ context.Context, fn func(storage.Tx) error) error {
	return fn(&countedTx{counted: c})
}

func (c *counted) CommitAuditEvents(_ context.Context, _ int64, events []storage.AuditEvent, _ int64) error {
	<-c.gate
	c.seq += int64(len(events))
	return nil
}

type countedTx struct {
	storage.Tx
	counted *counted
}

func (c *countedTx) RegistrationVersion(context.Context) (int64, error) { return 1, nil }

func (c *countedTx) AuditStreams(context.Context) ([]storage.AuditStream, error) { return nil, nil }

func (c *countedTx) AuditStreamFor(context.Context, string, time.Time) (storage.AuditStream, error) {
	return storage.AuditStream{ID: 1, HeadSeq: c.counted.seq}, nil
}

func (c *countedTx) AppendAuditEvents(ctx context.Context, stream int64, events []storage.AuditEvent) error {
	return c.counted.CommitAuditEvents(ctx, stream, events, 0)
}

func (c *countedTx) IndexAuditEvents(_ context.Context, _ int64, known []storage.AuditEvent, _ int) (int, error) {
	c.counted.indexed.Add(int64(len(known)))
	return len(known), nil
}

// TestWaitersShareACommit holds the first commit back until everybody else waits:
// all of them go into the second.
func TestWaitersShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counted{gate: make(chan struct{})}
		recorder, stop := run(t, store, nil)
		const others = 20
		done := make(chan error, 1+others)
		record := func(i int) { done <- recorder.Record(t.Context(), issued(i)) }
		go record(0)
		synctest.Wait() // the committer has it and waits at the gate
		for i := range others {
			go record(1 + i)
		}
		synctest.Wait()
		if len(done) != 0 {
			t.Error("Record returned before its event was committed")
		}
		close(store.gate)
		for range 1 + others {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		stop()
		if stats := recorder.Stats(); stats.Batches != 2 || stats.Committed != 1+others {
			t.Errorf("%+v, want 2 batches of %d events", stats, 1+others)
		}
	})
}

func TestFailedCommitIsAnError(t *testing.T) {
	broken := errors.New("the disk is full")
	var mu sync.Mutex
	failing := true
	store := &slow{Store: open(t), failure: func() error {
		mu.Lock()
		defer mu.Unlock()
		if failing {
			return broken
		}
		return nil
	}}
	recorder, _ := run(t, store, nil)
	if err := recorder.Record(t.Context(), issued(1)); !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	mu.Lock()
	failing = false
	mu.Unlock()
	if err := recorder.Record(t.Context(), issued(2)); err != nil {
		t.Errorf("it did not recover: %v", err)
	}
	verified(t, store.Store, 1)
}

func TestCallerWhoLeavesGetsNoToken(t *testing.T) {
	store := &slow{Store: open(t), gate: make(chan struct{})}
	recorder, _ := run(t, store, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorder.Record(ctx, issued(1)); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	close(store.gate)
}

// TestEventOfAnEarlierRegistrationStaysOut: whoever disabled a client must not see
// a token issued on the word of what was read before.
func TestEventOfAnEarlierRegistrationStaysOut(t *testing.T) {
	for _, durability := range []audit.Durability{audit.Strict, audit.Async} {
		t.Run(string(durability), func(t *testing.T) {
			store := open(t)
			recorder, stop := run(t, store, func(c *audit.Config) { c.Durability = durability })
			version, err := store.RegistrationVersion(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			record := func(i int, registration int64) error {
				e := issued(i)
				e.Registration = registration
				return recorder.Record(t.Context(), e)
			}
			if err := record(0, version); err != nil {
				t.Error(err)
			}
			err = store.Update(t.Context(), func(tx storage.Tx) error {
				return tx.CreatePartner(t.Context(), storage.Partner{ID: "new", Name: "New", CreatedAt: time.Now()})
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := record(1, version); !errors.Is(err, audit.ErrOutdated) {
				t.Errorf("an event of an earlier registration: %v, want ErrOutdated", err)
			}
			if err := record(2, 0); err != nil {
				t.Errorf("an event that rests on none: %v", err)
			}
			if err := record(3, version+1); err != nil {
				t.Errorf("an event of this registration: %v", err)
			}
			stop()
			verified(t, store, 3)
		})
	}
}

func TestStopFlushesAndThenRefuses(t *testing.T) {
	store := open(t)
	recorder, stop := run(t, store, func(c *audit.Config) { c.Durability = audit.Async })
	for i := range 50 {
		if err := recorder.Record(t.Context(), issued(i)); err != nil {
			t.Fatal(err)
		}
	}
	recorder.Refused(audit.Event{Time: start, Kind: audit.TokenRefused, Reason: decision.ClientUnknown})
	stop()
	verified(t, store, 51)
	if err := recorder.Record(t.Context(), issued(99)); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("after the end: %v", err)
	}
}

// TestRefusalsAreBounded: a stranger can buy neither disk nor the committer.
func TestRefusalsAreBounded(t *testing.T) {
	store := &slow{Store: open(t), gate: make(chan struct{})}
	recorder, stop := run(t, store, nil)
	const refusals = 5000
	for range refusals { // nothing is committed yet, and none of this blocks
		recorder.Refused(audit.Event{Time: start, Kind: audit.TokenRefused, Reason: decision.ClientUnknown, Client: "nobody"})
	}
	close(store.gate)
	if err := recorder.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	stop()
	stats := recorder.Stats()
	if stats.Dropped < refusals-1200 || stats.Committed+stats.Dropped != refusals+1 {
		t.Errorf("%+v of %d refusals", stats, refusals)
	}
	verified(t, store.Store, stats.Committed)
}

func TestAppendIsPartOfTheTransaction(t *testing.T) {
	store := open(t)
	recorder, _ := run(t, store, nil)
	if err := recorder.Record(t.Context(), issued(1)); err != nil {
		t.Fatal(err)
	}
	partner := storage.Partner{ID: "acme", CreatedAt: start, UpdatedAt: start}
	change := func(then error) error {
		return store.Update(t.Context(), func(tx storage.Tx) error {
			if err := tx.CreatePartner(t.Context(), partner); err != nil {
				return err
			}
			err := recorder.Append(t.Context(), tx, audit.Event{Time: start, Kind: audit.ClientDisabled, Actor: "admin"})
			return errors.Join(err, then)
		})
	}
	if err := change(errors.New("no")); err == nil {
		t.Fatal("the change went through")
	}
	verified(t, store, 1)
	if err := change(nil); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Record(t.Context(), issued(2)); err != nil {
		t.Fatal(err)
	}
	verified(t, store, 3)
}

func TestNewRefuses(t *testing.T) {
	good := audit.Config{Store: open(t), Instance: "a", Clock: time.Now, Logger: slog.Default()}
	for want, change := range map[string]func(*audit.Config){
		"audit: a dependency in Config is missing":                  func(c *audit.Config) { c.Store = nil },
		"audit: Config.Instance is missing":                         func(c *audit.Config) { c.Instance = "" },
		`audit: durability "sometimes" is neither strict nor async`: func(c *audit.Config) { c.Durability = "sometimes" },
	} {
		c := good
		change(&c)
		if _, err := audit.New(c); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
