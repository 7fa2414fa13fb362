package keyset

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Defaults of Config.
const (
	DefaultInterval = 15 * time.Minute
	DefaultFloor    = time.Minute
)

const (
	workers    = 32                     // sets that are read at the same time
	lookEvery  = 250 * time.Millisecond // how soon an early wish or a due set is seen
	maxWishes  = 1024                   // clients whose set is wished for early; one more is dropped
	maxProblem = 500                    // bytes of a problem that are kept
)

// mediaTypes of a JWK set (RFC 7517 §8.5), and what servers call it.
var mediaTypes = []string{"application/jwk-set+json", "application/json"}

// Fetcher calls out; *fetch.Client is one.
type Fetcher interface {
	Get(ctx context.Context, r fetch.Request) ([]byte, error)
}

// Store is what the refresher reads and writes.
type Store interface {
	storage.KeySetReader
	Update(ctx context.Context, fn func(storage.Tx) error) error
}

// Config holds what a Refresher needs. All but the last three are required.
type Config struct {
	Store   Store
	Fetcher Fetcher
	Audit   interface { // records in the transaction that changes
		Append(ctx context.Context, tx storage.Tx, events ...audit.Event) error
	}
	Notify func() // the feed may have grown
	Clock  func() time.Time
	Logger *slog.Logger

	// Interval between two reads of one set, default DefaultInterval. A failing one
	// is tried again sooner at first.
	Interval time.Duration
	// Floor between two tries of one set, whatever happens: default DefaultFloor.
	Floor time.Duration
	// Observe, when set, hears how each try went. It must not block.
	Observe func(Outcome)
}

// Outcome is how one try went, for metrics.
type Outcome struct {
	ClientID       string
	Err            error // nil when the set was read
	Added, Removed int   // certificates
	Took           time.Duration
}

// Refresher reads key sets in the background.
type Refresher struct {
	config Config
	slots  chan struct{} // one for each set that is being read

	mu     sync.Mutex
	wishes map[string]struct{} // clients whose set should be read early
	shown  map[use]struct{}    // certificates that somebody has proved under a client's name
}

// New checks c and returns a Refresher. It does nothing before Run.
func New(c Config) (*Refresher, error) {
	if c.Store == nil || c.Fetcher == nil || c.Audit == nil || c.Notify == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("keyset: a dependency in Config is missing")
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Floor == 0 {
		c.Floor = DefaultFloor
	}
	if c.Floor < time.Second || c.Interval < c.Floor {
		return nil, fmt.Errorf("keyset: Interval %s and Floor %s: at least a second, and the floor not above", c.Interval, c.Floor)
	}
	return &Refresher{config: c, slots: make(chan struct{}, workers), wishes: map[string]struct{}{}, shown: map[use]struct{}{}}, nil
}

// Wish asks for a client's set to be read before it is due: somebody has shown a
// certificate that is not in it, and the client may have published it a moment
// ago. It never blocks, and the floor holds: a stranger who knows a client's name
// can cause no more than one try per floor. What was shown is remembered until the
// set has been read, see replace.
func (r *Refresher) Wish(clientID string, shown thumbprint.Thumbprint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.wishes) < maxWishes {
		r.wishes[clientID] = struct{}{}
	}
	if len(r.shown) >= maxWishes {
		for other := range r.shown { // any: the order of a map is random
			delete(r.shown, other)
			break
		}
	}
	r.shown[use{clientID, shown}] = struct{}{}
}

// use is a certificate under a client's name.
type use struct {
	client string
	print  thumbprint.Thumbprint
}

func (r *Refresher) wasShown(clientID string, t thumbprint.Thumbprint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, was := r.shown[use{clientID, t}]
	return was
}

// forgetShown forgets what was shown of a certificate that is the client's now.
func (r *Refresher) forgetShown(clientID string, all []thumbprint.Thumbprint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range all {
		delete(r.shown, use{clientID, t})
	}
}

// Run reads what is due until ctx ends. Of several instances on one database each
// set is read by one: whoever begins moves the date away.
func (r *Refresher) Run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		more, err := r.look(ctx, &work)
		if err != nil && ctx.Err() == nil {
			r.config.Logger.LogAttrs(ctx, slog.LevelWarn, "key_sets_not_looked_at", slog.String("detail", err.Error()))
		}
		if more {
			continue // look waits for a slot
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// look waits for a free slot and begins to read as many due sets as there are
// slots. There may be more due when it used all of them.
func (r *Refresher) look(ctx context.Context, work *sync.WaitGroup) (more bool, err error) {
	if err := r.grantWishes(ctx); err != nil {
		return false, err
	}
	free, err := r.freeSlots(ctx)
	if err != nil {
		return false, err
	}
	claimed, err := r.claim(ctx, free)
	for range free - len(claimed) {
		<-r.slots
	}
	for _, set := range claimed {
		work.Go(func() {
			defer func() { <-r.slots }()
			r.refresh(ctx, set)
		})
	}
	return len(claimed) == free, err
}

// freeSlots takes every slot that is free, at least one.
func (r *Refresher) freeSlots(ctx context.Context) (int, error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n := 1; ; n++ {
		select {
		case r.slots <- struct{}{}:
		default:
			return n, nil
		}
	}
}

// grantWishes makes the sets due that somebody wished for, unless they were tried
// within the floor.
func (r *Refresher) grantWishes(ctx context.Context) error {
	r.mu.Lock()
	wishes := r.wishes
	r.wishes = map[string]struct{}{}
	r.mu.Unlock()
	now := r.now()
	var early []storage.KeySet
	for id := range wishes {
		set, err := r.config.Store.KeySet(ctx, id)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err == nil && set.DueAt.After(now) && !now.Before(set.BegunAt.Add(r.config.Floor)) {
			early = append(early, set)
		}
	}
	if len(early) == 0 {
		return nil
	}
	return r.config.Store.Update(ctx, func(tx storage.Tx) error {
		for _, was := range early {
			set, err := tx.KeySet(ctx, was.ClientID)
			if errors.Is(err, storage.ErrNotFound) || err == nil && set != was {
				continue // somebody was faster
			}
			if err != nil {
				return err
			}
			set.DueAt = now
			if err := tx.UpdateKeySet(ctx, set); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim takes at most limit due sets: their date moves beyond the longest try, so
// that no other instance takes them, and one takes over when this one dies.
func (r *Refresher) claim(ctx context.Context, limit int) (claimed []storage.KeySet, err error) {
	now := r.now()
	due, err := r.config.Store.DueKeySets(ctx, now, limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = r.config.Store.Update(ctx, func(tx storage.Tx) error {
		claimed = nil // it may run again
		due, err := tx.DueKeySets(ctx, now, limit)
		if err != nil {
			return err
		}
		for _, set := range due {
			set.DueAt, set.BegunAt = now.Add(fetch.MaxTimeout+time.Minute), now
			if err := tx.UpdateKeySet(ctx, set); err != nil {
				return err
			}
			claimed = append(claimed, set)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func (r *Refresher) now() time.Time { return r.config.Clock().UTC().Truncate(time.Second) }
