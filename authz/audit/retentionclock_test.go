package audit_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// looked is a trail that knows when a sweeper is done with the retention: it asks for
// the streams then.
type looked struct {
	*trail
	done atomic.Bool
}

func (l *looked) AuditStreams(ctx context.Context) ([]storage.AuditStream, error) {
	l.done.Store(true)
	return l.trail.AuditStreams(ctx)
}

// nextDay lets a sweeper look at a retention of 40 days a day later, and returns how
// many prunings there are.
func (tr *trail) nextDay() (prunings int) {
	tr.t.Helper()
	tr.now = tr.now.Add(24 * time.Hour)
	l := &looked{trail: tr}
	s, err := audit.NewSweeper(audit.SweeperConfig{
		Store: l, Audit: tr.recorder, Signer: tr.ring, Clock: tr.clock, Logger: slog.New(slog.DiscardHandler), Retention: 40 * 24 * time.Hour,
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.sweep(s, l.done.Load)
	return tr.count("audit_prunings")
}

// TestClockThatWasWrong: a checkpoint that was signed while the clock was years behind
// covers the events of yesterday, and they stay; one that was signed while it was years
// ahead does not keep the next ones from being signed, nor the trail from being pruned.
func TestClockThatWasWrong(t *testing.T) {
	const years = 3 * 365 * 24 * time.Hour
	t.Run("behind", func(t *testing.T) {
		tr := newTrail(t)
		tr.life(3)
		tr.nextDay()
		tr.now = tr.now.Add(-years)
		tr.checkpoint()
		tr.now = tr.now.Add(years)
		for day := range 39 {
			if tr.nextDay() != 0 {
				t.Fatalf("what is %d days old is pruned", day+1)
			}
		}
		if tr.nextDay() == 0 {
			t.Error("what is old is not pruned")
		}
	})
	t.Run("ahead", func(t *testing.T) {
		tr := newTrail(t)
		tr.now = tr.now.Add(years)
		tr.checkpoint()
		tr.now = tr.now.Add(-years)
		tr.life(3)
		for range 41 {
			tr.nextDay()
		}
		if tr.nextDay() == 0 {
			t.Error("nothing is pruned for years")
		}
	})
}
