package audit_test

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/resource/decision"
)

// TestCommitsAreObserved: how many events, how long, and whether it failed.
func TestCommitsAreObserved(t *testing.T) {
	broken := errors.New("the disk is full")
	var mu sync.Mutex
	failing, now := true, start
	store := &slow{Store: open(t), failure: func() error {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(7 * time.Millisecond)
		if failing {
			return broken
		}
		return nil
	}}
	type commit struct {
		events int
		took   time.Duration
		failed bool
	}
	var seen []commit
	recorder, stop := run(t, store, func(c *audit.Config) {
		c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		c.Observe = func(events int, took time.Duration, err error) {
			seen = append(seen, commit{events, took, errors.Is(err, broken)})
		}
	})
	_ = recorder.Record(t.Context(), issued(1)) // its error is looked at elsewhere
	mu.Lock()
	failing = false
	mu.Unlock()
	if err := recorder.Record(t.Context(), issued(2)); err != nil {
		t.Fatal(err)
	}
	stop()
	if len(seen) != 2 || seen[0] != (commit{1, 7 * time.Millisecond, true}) || seen[1] != (commit{1, 7 * time.Millisecond, false}) {
		t.Errorf("observed %v", seen)
	}
	if stats := recorder.Stats(); stats != (audit.Stats{Committed: 1, Batches: 1, Failed: 1}) {
		t.Errorf("%+v", stats)
	}
}

// TestStatsShowTheQueue while nobody commits.
func TestStatsShowTheQueue(t *testing.T) {
	recorder, err := audit.New(audit.Config{
		Store: open(t), Instance: "as-1", Clock: func() time.Time { return start }, Logger: slog.New(slog.DiscardHandler), Durability: audit.Async,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := recorder.Record(t.Context(), issued(i)); err != nil {
			t.Fatal(err)
		}
	}
	recorder.Refused(audit.Event{Time: start, Kind: audit.TokenRefused, Reason: decision.ClientUnknown})
	if queued := recorder.Stats().Queued; queued != 4 {
		t.Errorf("%d events are queued, want 4", queued)
	}
}
