package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/storage"
)

// What was given up is deleted in small transactions with pauses, so that a token
// request waits for one of them at most.
const (
	sweepAtOnce = 256         // events of one transaction, where no append was greater
	sweepShare  = 3           // times as long as it worked does a sweep rest
	sweepEvery  = time.Minute // for what another process has given up
)

// SweeperConfig holds what a Sweeper needs; all but Retention is required.
type SweeperConfig struct {
	Store  storage.Store
	Audit  Appender
	Signer interface {
		Signer
		JWKS(ctx context.Context) ([]byte, error)
	}
	Clock  func() time.Time
	Logger *slog.Logger
	// Retention is for how long events are kept; 0 is for ever, MinRetention the least.
	Retention time.Duration
}

// Appender records events in the transaction of what they record.
type Appender interface {
	Append(ctx context.Context, tx storage.Tx, events ...Event) error
}

// Sweeper deletes what was given up, and gives up what has been kept for long enough.
type Sweeper struct {
	SweeperConfig

	wake    chan struct{}
	deleted atomic.Int64
	failed  atomic.Int64
	halted  map[int64]bool // streams that do not hold: what is left is evidence
	due     time.Time      // when the retention is looked at again
}

// NewSweeper checks c and returns a Sweeper.
func NewSweeper(c SweeperConfig) (*Sweeper, error) {
	if c.Store == nil || c.Audit == nil || c.Signer == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("audit: a dependency in SweeperConfig is missing")
	}
	if c.Retention != 0 && c.Retention < MinRetention {
		return nil, fmt.Errorf("audit: retention %s is less than %s", c.Retention, MinRetention)
	}
	return &Sweeper{SweeperConfig: c, wake: make(chan struct{}, 1), halted: map[int64]bool{}}, nil
}

// Wake lets what was just given up be deleted now.
func (s *Sweeper) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Deleted returns how many events were deleted since the start, and how often
// pruning has failed or been stopped by a chain that does not hold.
func (s *Sweeper) Deleted() (events, failed int64) { return s.deleted.Load(), s.failed.Load() }

// Run works until ctx ends. Of several instances each may run one.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.tend(ctx); err != nil && ctx.Err() == nil {
			s.failed.Add(1)
			s.Logger.LogAttrs(ctx, slog.LevelWarn, "audit_not_pruned", slog.String("detail", err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-ticker.C:
		}
	}
}

// tend deletes what was given up whether or not more of it can be: for that it takes a
// key, and a trail that is what a checkpoint has seen.
func (s *Sweeper) tend(ctx context.Context) error {
	return errors.Join(s.retain(ctx), s.sweepAll(ctx))
}

func (s *Sweeper) sweepAll(ctx context.Context) error {
	streams, err := s.Store.AuditStreams(ctx)
	if err != nil {
		return err
	}
	for i := range streams {
		if err := s.sweep(ctx, &streams[i]); err != nil {
			return err
		}
	}
	for more := true; more; {
		begun := time.Now()
		if more, err = s.Store.Reclaim(ctx); err != nil {
			return err
		}
		if more {
			s.rest(ctx, begun)
		}
		more = more && ctx.Err() == nil
	}
	return nil
}

// rest leaves the database to others. It measures work, and so not by Clock.
func (s *Sweeper) rest(ctx context.Context, begun time.Time) {
	timer := time.NewTimer(sweepShare * time.Since(begun))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// sweep deletes what was given up of one stream.
func (s *Sweeper) sweep(ctx context.Context, stream *storage.AuditStream) error {
	for limit := sweepAtOnce; stream.PrunedSeq > 0 && !s.halted[stream.ID] && ctx.Err() == nil; {
		begun := time.Now()
		events, err := s.Store.AuditChain(ctx, stream.ID, 0, limit)
		if err != nil {
			return err
		}
		if len(events) == 0 || events[0].Seq > stream.PrunedSeq {
			return nil
		}
		last, ok := s.holds(stream, events)
		if !ok {
			s.halt(ctx, stream)
			return nil
		}
		deleted := int64(0)
		err = s.Store.Update(ctx, func(tx storage.Tx) error {
			deleted, err = tx.DeletePrunedAuditEvents(ctx, stream.ID, last.Seq)
			return err
		})
		switch {
		case err != nil:
			return err
		case deleted == 0 && len(events) < limit, deleted == 0 && events[len(events)-1].Seq > stream.PrunedSeq:
			return nil // what is left shares its row with events that stay
		case deleted == 0:
			limit *= 4 // an append that is greater
		default:
			s.deleted.Add(deleted)
			limit = sweepAtOnce
		}
		s.rest(ctx, begun)
	}
	return nil
}

// holds follows the events up to where the chain begins now, or to the last of
// them. What somebody has been at is not deleted with the rest.
func (s *Sweeper) holds(stream *storage.AuditStream, events []storage.AuditEvent) (last storage.AuditEvent, ok bool) {
	for i := range events {
		e := &events[i]
		if e.Seq > stream.PrunedSeq {
			break
		}
		if link(e) != e.Hash || i > 0 && (e.Seq != last.Seq+1 || e.Prev != last.Hash) {
			return last, false
		}
		if e.Seq == stream.PrunedSeq && e.Hash != stream.PrunedHash {
			return last, false
		}
		last = *e
	}
	return last, true
}

func (s *Sweeper) halt(ctx context.Context, stream *storage.AuditStream) {
	s.halted[stream.ID] = true
	s.failed.Add(1)
	s.Logger.LogAttrs(ctx, slog.LevelError, "audit_pruning_stopped", slog.String("instance", stream.Instance),
		slog.String("detail", "the chain does not hold before event "+fmt.Sprint(stream.PrunedSeq)+", so what is left of it is kept; ask certbound audit verify"))
}
