package audit

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/certbound/certbound/storage"
)

// commitTimeout bounds one commit: a disk that hangs must turn into refusals.
const commitTimeout = 10 * time.Second

// yields is how often others are let run before a batch is taken for complete.
const yields = 2

// Run commits until ctx ends, then flushes what is queued and returns. It is to be
// called once, and after the listeners have drained.
func (r *Recorder) Run(ctx context.Context) {
	defer close(r.stopped)
	for {
		select {
		case p := <-r.queue:
			r.commit(r.batch(&p))
		case refusal := <-r.refusals:
			r.commit(r.batch(&pending{event: refusal}))
		case <-ctx.Done():
			r.flush()
			return
		}
	}
}

// flush commits what is queued when the recorder is told to stop.
func (r *Recorder) flush() {
	for {
		select {
		case p := <-r.queue:
			r.commit(r.batch(&p))
		case refusal := <-r.refusals:
			r.commit(r.batch(&pending{event: refusal}))
		default:
			return
		}
	}
}

// batch takes what else is waiting. The commit before this one was the time to
// gather; whoever is about to ask besides is let run first, as long as that brings
// somebody: on an idle machine it takes no time, and on a busy one each commit that
// is shared by more saves more than it delays. Those who wait come before refusals.
func (r *Recorder) batch(first *pending) []pending {
	batch := r.take([]pending{*first})
	for before := 0; len(batch) > before && len(batch) < r.config.MaxBatch; {
		before = len(batch)
		for range yields {
			runtime.Gosched()
		}
		batch = r.take(batch)
	}
	for range refusalsPerCommit {
		select {
		case refusal := <-r.refusals:
			batch = append(batch, pending{event: refusal})
			continue
		default:
		}
		break
	}
	return batch
}

// take adds what is waiting now.
func (r *Recorder) take(batch []pending) []pending {
	for len(batch) < r.config.MaxBatch {
		select {
		case p := <-r.queue:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

// commit stores a batch in one transaction and tells everybody who waits for it.
// Events that rest on an earlier registration stay out.
func (r *Recorder) commit(batch []pending) {
	// Not the context of whoever asked: one caller who leaves must not undo the
	// events of the others.
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	start := r.config.Clock()
	var version int64
	stored := 0
	err := r.config.Store.Update(ctx, func(tx storage.Tx) (err error) {
		if version, err = registrationOf(ctx, tx, batch); err != nil {
			return err
		}
		records := make([]storage.AuditEvent, 0, len(batch)) // anew: the closure may run again
		for i := range batch {
			if !batch[i].outdated(version) {
				records = append(records, batch[i].event)
			}
		}
		if stored = len(records); stored == 0 {
			return nil
		}
		return r.append(ctx, tx, records)
	})
	if err != nil {
		r.config.Logger.LogAttrs(ctx, slog.LevelError, "audit_unavailable",
			slog.Int("events", len(batch)), slog.String("detail", err.Error()))
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		stored = len(batch) // what was to be
	} else {
		r.committed.Add(int64(stored))
		r.batches.Add(1)
	}
	if r.config.Observe != nil {
		r.config.Observe(stored, r.config.Clock().Sub(start), err)
	}
	for i := range batch {
		switch p := &batch[i]; {
		case p.done == nil:
		case err == nil && p.outdated(version):
			p.done <- ErrOutdated
		default:
			p.done <- err
		}
	}
}

// registrationOf reads the version when an event of the batch rests on one.
func registrationOf(ctx context.Context, tx storage.Tx, batch []pending) (int64, error) {
	if !slices.ContainsFunc(batch, func(p pending) bool { return p.registration != 0 }) {
		return 0, nil
	}
	return tx.RegistrationVersion(ctx)
}

// outdated reports whether the event rests on another version than this one.
func (p *pending) outdated(version int64) bool {
	return p.registration != 0 && p.registration != version
}
