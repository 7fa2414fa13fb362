package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/certbound/certbound/storage"
)

// ErrUnavailable: an event could not be made durable, so what it records must not
// happen.
var ErrUnavailable = errors.New("audit: the event could not be stored")

// ErrOutdated: the registration has changed since the event was decided, so it was
// not stored. Decide again.
var ErrOutdated = errors.New("audit: the registration has changed")

var errStopped = fmt.Errorf("%w: the recorder has stopped", ErrUnavailable)

// Durability says when Record returns.
type Durability string

// The durabilities of `audit.durability`.
const (
	// Strict: Record returns when the event is on disk. The default.
	Strict Durability = "strict"
	// Async: Record returns when the event is queued. A crash loses what is queued,
	// so a token may be in use of which there is no record.
	Async Durability = "async"
)

// Limits of a Recorder.
const (
	defaultMaxBatch   = 128  // events of one commit
	defaultQueue      = 4096 // events that wait for a commit
	refusalQueue      = 1024 // refusals that wait; one more is dropped and counted
	refusalsPerCommit = 32   // so that refusals never hold up those who wait
)

// Store is where events go.
type Store interface {
	Update(ctx context.Context, fn func(storage.Tx) error) error
	storage.AuditCommitter
	storage.RegistrationReader
}

// Config holds what a Recorder needs. Store, Instance, Clock and Logger are
// required.
type Config struct {
	Store    Store
	Instance string // the stream's name; no two running processes share one
	Clock    func() time.Time
	Logger   *slog.Logger

	Durability Durability // default Strict
	MaxBatch   int        // events of one commit, default 128
	// RefusalsPerSecond bounds the refusals that are stored, default 200: a stranger
	// can cause as many as he likes. Those beyond are counted, and logged like all.
	RefusalsPerSecond float64

	// Observe hears of each commit, right after it: how many events it was for, how
	// long it took, and whether it failed. It must not block. nil: nobody listens.
	Observe func(events int, took time.Duration, err error)
}

// Recorder makes events durable: one goroutine commits what has come in while
// the commit before was under way.
type Recorder struct {
	config   Config
	queue    *queue
	refusals chan *pending
	limit    *rate.Limiter

	// Run's own.
	company company
	head    storage.AuditStream  // as this recorder left it; no ID: not known
	fresh   []storage.AuditEvent // stored since the index was written last, without Detail
	spare   []storage.AuditEvent // room for the next commit

	appended  atomic.Bool // there may be events besides fresh that are not indexed
	dropped   atomic.Int64
	committed atomic.Int64
	batches   atomic.Int64
	failed    atomic.Int64
}

// New checks c and returns a Recorder. Nothing is stored before Run.
func New(c Config) (*Recorder, error) {
	switch {
	case c.Store == nil || c.Clock == nil || c.Logger == nil:
		return nil, errors.New("audit: a dependency in Config is missing")
	case c.Instance == "":
		return nil, errors.New("audit: Config.Instance is missing")
	case c.Durability != "" && c.Durability != Strict && c.Durability != Async:
		return nil, fmt.Errorf("audit: durability %q is neither %s nor %s", c.Durability, Strict, Async)
	}
	if c.Durability == "" {
		c.Durability = Strict
	}
	if c.MaxBatch <= 0 {
		c.MaxBatch = defaultMaxBatch
	}
	if c.RefusalsPerSecond <= 0 {
		c.RefusalsPerSecond = 200
	}
	return &Recorder{
		config:   c,
		queue:    newQueue(c.MaxBatch, defaultQueue),
		refusals: make(chan *pending, refusalQueue),
		limit:    rate.NewLimiter(rate.Limit(c.RefusalsPerSecond), refusalQueue),
	}, nil
}

// Record makes an event durable, as far as the durability asks for. When it
// fails, what the event records must not happen.
func (r *Recorder) Record(ctx context.Context, e Event) error {
	err := r.durable(ctx, e)
	// A caller who leaves is no fault of the database's.
	if errors.Is(err, ErrUnavailable) && !errors.Is(err, context.Canceled) {
		r.failed.Add(1)
	}
	return err
}

func (r *Recorder) durable(ctx context.Context, e Event) error {
	p := new(pending)
	var err error
	if p.event, err = e.record(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if r.config.Durability == Strict {
		p.registration = e.Registration
	} else if err := r.current(ctx, e.Registration); err != nil {
		return err
	}
	crowd, err := r.enqueue(ctx, p)
	if err != nil || r.config.Durability != Strict {
		return err
	}
	select {
	case <-crowd.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// enqueue waits for room.
func (r *Recorder) enqueue(ctx context.Context, p *pending) (*crowd, error) {
	for {
		crowd, added, err := r.queue.add(p)
		if added || err != nil {
			return crowd, err
		}
		select {
		case <-crowd.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// current checks the version now, for an event whose commit nobody waits for.
func (r *Recorder) current(ctx context.Context, version int64) error {
	if version == 0 {
		return nil
	}
	now, err := r.config.Store.RegistrationVersion(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case now != version:
		return ErrOutdated
	}
	return nil
}

// Refused queues the record of a refusal. It never blocks: beyond the bounds the
// record is dropped and counted.
func (r *Recorder) Refused(e Event) {
	record, err := e.record()
	if err != nil || !r.limit.AllowN(r.config.Clock(), 1) {
		r.dropped.Add(1)
		return
	}
	select {
	case r.refusals <- &pending{event: record}:
	default:
		r.dropped.Add(1)
	}
}

// Append records changes in the transaction that makes them.
func (r *Recorder) Append(ctx context.Context, tx storage.Tx, events ...Event) error {
	records := make([]storage.AuditEvent, len(events))
	for i := range events {
		var err error
		if records[i], err = events[i].record(); err != nil {
			return err
		}
	}
	r.appended.Store(true)
	_, err := r.append(ctx, tx, records)
	return err
}

// append adds records to the stream and returns it as it is then.
func (r *Recorder) append(ctx context.Context, tx storage.Tx, records []storage.AuditEvent) (storage.AuditStream, error) {
	stream, err := r.stream(ctx, tx)
	if err != nil {
		return stream, err
	}
	stream = extend(stream, records)
	return stream, tx.AppendAuditEvents(ctx, stream.ID, records)
}

func (r *Recorder) stream(ctx context.Context, tx storage.Tx) (storage.AuditStream, error) {
	return tx.AuditStreamFor(ctx, r.config.Instance, r.config.Clock().UTC().Truncate(time.Second))
}

// Stats are counts since the start.
type Stats struct {
	Committed int64 // events stored
	Batches   int64 // commits they took
	Dropped   int64 // refusals that were not stored
	Failed    int64 // calls of Record that could not make their event durable
	Queued    int   // events and refusals that wait for a commit now

	// Of a Sweeper; Recorder.Stats leaves them 0.
	Pruned      int64 // events deleted
	PruneFailed int64 // times that pruning failed, or was stopped by a chain that does not hold
}

// Stats returns the counts.
func (r *Recorder) Stats() Stats {
	return Stats{
		Committed: r.committed.Load(), Batches: r.batches.Load(), Dropped: r.dropped.Load(), Failed: r.failed.Load(),
		Queued: r.queue.length() + len(r.refusals),
	}
}
