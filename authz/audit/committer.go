package audit

import (
	"context"
	"errors"
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
	defer r.index()
	r.indexAll()
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.queue.wake:
			r.company.gather(r.queue)
			r.commitNext(nil)
		case refusal := <-r.refusals:
			r.commitNext(refusal)
		case <-tick.C:
			r.index()
		case <-ctx.Done():
			r.flush()
			return
		}
		if len(r.fresh) >= indexAfter {
			r.index()
		}
	}
}

// flush commits what is queued when the recorder is told to stop.
func (r *Recorder) flush() {
	r.queue.close()
	for r.queue.length() > 0 || len(r.refusals) > 0 {
		r.commitNext(nil)
	}
}

// commitNext commits the crowd that has waited longest, and refusals.
func (r *Recorder) commitNext(refusal *pending) {
	next := r.queue.take()
	if next == nil {
		next = &crowd{done: make(chan struct{})}
	}
	waiting := len(next.pending)
	if refusal != nil {
		next.pending = append(next.pending, refusal)
	}
	r.addRefusals(next)
	if len(next.pending) > 0 {
		took := r.commit(next)
		r.company.met(waiting, r.queue, took)
	}
}

// addRefusals lets refusals share a commit.
func (r *Recorder) addRefusals(c *crowd) {
	for range refusalsPerCommit {
		select {
		case refusal := <-r.refusals:
			c.pending = append(c.pending, refusal)
		default:
			return
		}
	}
}

// commit stores the events of a crowd in one transaction and tells everybody who
// waits for it. Events that rest on an earlier registration stay out. It returns how
// long it took.
func (r *Recorder) commit(c *crowd) time.Duration {
	batch := c.pending
	defer close(c.done)
	// Not the context of whoever asked: one caller who leaves must not undo the
	// events of the others.
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	start := r.config.Clock()
	version, stored, err := r.store(ctx, batch)
	if err != nil {
		r.config.Logger.LogAttrs(ctx, slog.LevelError, "audit_unavailable",
			slog.Int("events", len(batch)), slog.String("detail", err.Error()))
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		stored = len(batch) // what was to be
	} else {
		r.committed.Add(int64(stored))
		r.batches.Add(1)
	}
	took := r.config.Clock().Sub(start)
	if r.config.Observe != nil {
		r.config.Observe(stored, took, err)
	}
	for _, p := range batch {
		p.err = err
		if err == nil && p.outdated(version) {
			p.err = ErrOutdated
		}
	}
	return took
}

// store stores the events of a batch that do not rest on another registration than
// the database's. It returns the version they were compared with, and how many
// were stored.
func (r *Recorder) store(ctx context.Context, batch []*pending) (version int64, stored int, err error) {
	if version, one := oneRegistration(batch); one && r.head.ID != 0 {
		// The usual case. Who changes the registration, or has appended to this
		// stream besides, is noticed and sorted out below.
		records := r.recordsOf(batch, version)
		head := extend(r.head, records)
		err := r.config.Store.CommitAuditEvents(ctx, head.ID, records, version)
		if !errors.Is(err, storage.ErrStale) {
			if err == nil {
				r.moved(head, records)
			}
			return version, len(records), err
		}
	}
	var head storage.AuditStream
	var records []storage.AuditEvent
	err = r.config.Store.Update(ctx, func(tx storage.Tx) (err error) {
		if version, err = tx.RegistrationVersion(ctx); err != nil {
			return err
		}
		if records = r.recordsOf(batch, version); len(records) == 0 {
			return nil
		}
		head, err = r.append(ctx, tx, records)
		return err
	})
	if err == nil && len(records) > 0 {
		r.moved(head, records)
	}
	return version, len(records), err
}

// moved notes what has been stored.
func (r *Recorder) moved(head storage.AuditStream, records []storage.AuditEvent) {
	r.head = head
	for i := range records {
		records[i].Detail = "" // most of the event, and the index does not want it
	}
	r.fresh = append(r.fresh, records...)
	clear(records) // lets go of their texts
}

// oneRegistration returns the version that all events of the batch which rest on
// one rest on, 0 when none does. It is false when there are several.
func oneRegistration(batch []*pending) (version int64, one bool) {
	for i := range batch {
		switch own := batch[i].registration; {
		case own == 0 || own == version:
		case version == 0:
			version = own
		default:
			return 0, false
		}
	}
	return version, true
}

// recordsOf copies the events that do not rest on another version. What it returned
// before is overwritten.
func (r *Recorder) recordsOf(batch []*pending, version int64) []storage.AuditEvent {
	r.spare = r.spare[:0]
	for i := range batch {
		if !batch[i].outdated(version) {
			r.spare = append(r.spare, batch[i].event)
		}
	}
	return r.spare
}

// outdated reports whether the event rests on another version than this one.
func (p *pending) outdated(version int64) bool {
	return p.registration != 0 && p.registration != version
}
