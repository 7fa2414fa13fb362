package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/certbound/certbound/storage"
)

// commitTimeout bounds one commit: a disk that hangs must turn into refusals.
const commitTimeout = 10 * time.Second

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

// batch takes what else is waiting, without waiting for more: the commit before
// this one was the time to gather. Those who wait come before refusals.
func (r *Recorder) batch(first *pending) []pending {
	batch := []pending{*first}
	for len(batch) < r.config.MaxBatch {
		select {
		case p := <-r.queue:
			batch = append(batch, p)
			continue
		default:
		}
		break
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

// commit stores a batch in one transaction and tells everybody who waits for it.
func (r *Recorder) commit(batch []pending) {
	// Not the context of whoever asked: one caller who leaves must not undo the
	// events of the others.
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	records := make([]storage.AuditEvent, len(batch))
	err := r.config.Store.Update(ctx, func(tx storage.Tx) error {
		for i := range batch { // the closure may run again
			records[i] = batch[i].event
		}
		return r.append(ctx, tx, records)
	})
	if err != nil {
		r.config.Logger.LogAttrs(ctx, slog.LevelError, "audit_unavailable",
			slog.Int("events", len(batch)), slog.String("detail", err.Error()))
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	} else {
		r.committed.Add(int64(len(batch)))
		r.batches.Add(1)
	}
	for i := range batch {
		if batch[i].done != nil {
			batch[i].done <- err
		}
	}
}
