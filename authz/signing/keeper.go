package signing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// denialLife is how long resource servers are told of a revoked key. Whoever has
// stolen it may write any exp, so it is not the life of honest tokens that counts,
// but how long a resource server may hold a key set that it cannot renew: a day
// (package jwks), and an hour and a minute beyond.
const denialLife = 25*time.Hour + time.Minute

// changeTimeout bounds what a scheduled change waits for the database.
const changeTimeout = 30 * time.Second

// Audit records events in the transaction that makes them true.
type Audit interface {
	Append(ctx context.Context, tx storage.Tx, events ...audit.Event) error
}

// Config holds what a Keeper needs; all of it is required.
type Config struct {
	Store  storage.Store
	Rings  []*keys.Ring // one for each purpose; the first is that of access tokens
	Audit  Audit
	Clock  func() time.Time
	Logger *slog.Logger
}

// Keeper keeps the keys of all purposes.
type Keeper struct{ Config }

// New checks c and returns a Keeper. Keys change by themselves once [Keeper.Run]
// runs.
func New(c Config) (*Keeper, error) {
	if c.Store == nil || len(c.Rings) == 0 || c.Audit == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("signing: a dependency in Config is missing")
	}
	return &Keeper{c}, nil
}

// ring returns the ring of a purpose, or nil.
func (k *Keeper) ring(purpose string) *keys.Ring {
	i := slices.IndexFunc(k.Rings, func(r *keys.Ring) bool { return r.Purpose() == purpose })
	if i < 0 {
		return nil
	}
	return k.Rings[i]
}

// Run reads the keys again and again, so that this instance knows what others
// changed, and does what time has made necessary. It returns when ctx has ended.
func (k *Keeper) Run(ctx context.Context) {
	ticker := time.NewTicker(keys.PollEvery)
	defer ticker.Stop()
	failing := false
	for {
		err := k.Tend(ctx)
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			k.report(ctx, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// report logs the first of a row of failures, and its end.
func (k *Keeper) report(ctx context.Context, err error) {
	if err == nil {
		k.Logger.LogAttrs(ctx, slog.LevelInfo, "signing_keys_tended")
		return
	}
	k.Logger.LogAttrs(ctx, slog.LevelError, "signing_keys_not_tended", slog.String("detail", err.Error()))
}

// Refresh reads the keys of access tokens now. When that fails they are read again
// before the next token is signed.
func (k *Keeper) Refresh(ctx context.Context) {
	if err := k.Rings[0].Refresh(ctx); err != nil && ctx.Err() == nil {
		k.report(ctx, err)
	}
}

// Ready is an error while the keys cannot be read, so that nothing is signed.
func (k *Keeper) Ready(ctx context.Context) error {
	errs := make([]error, len(k.Rings))
	for i, ring := range k.Rings {
		_, errs[i] = ring.Signer(ctx, "")
	}
	return errors.Join(errs...)
}

// Tend reads the keys of every ring and does once what time has made necessary.
func (k *Keeper) Tend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	errs := make([]error, len(k.Rings))
	for i, ring := range k.Rings {
		if errs[i] = k.tend(ctx, ring); errs[i] != nil {
			errs[i] = fmt.Errorf("signing: keys of %s: %w", ring.Purpose(), errs[i])
		}
	}
	return errors.Join(errs...)
}

func (k *Keeper) tend(ctx context.Context, ring *keys.Ring) error {
	if err := ring.Refresh(ctx); err != nil {
		return err
	}
	wanted, err := k.wanted(ctx, ring, k.Store)
	if err != nil {
		return err
	}
	due, needs, err := ring.Due(wanted)
	if err != nil || !due {
		return err
	}
	spares, err := ring.Spare(needs...)
	if err != nil {
		return err
	}
	err = k.Store.Update(ctx, func(tx storage.Tx) error {
		wanted, err := k.wanted(ctx, ring, tx)
		if err != nil {
			return err
		}
		changes, err := ring.TendIn(ctx, Tx{tx}, wanted, spares)
		if err != nil {
			return err
		}
		return k.Audit.Append(ctx, tx, k.Events(changes)...)
	})
	if errors.Is(err, storage.ErrConflict) { // another instance was faster
		err = nil
	}
	return errors.Join(err, ring.Refresh(ctx))
}

// wanted are the algorithms that APIs ask for. Only access tokens are for APIs.
func (k *Keeper) wanted(ctx context.Context, ring *keys.Ring, from storage.APIReader) ([]string, error) {
	if ring.Purpose() != keys.AccessTokens {
		return nil, nil
	}
	return from.SigningAlgorithms(ctx)
}

// Algorithm is what signs for a purpose by default; false when nothing does.
func (k *Keeper) Algorithm(purpose string) (string, bool) {
	ring := k.ring(purpose)
	if ring == nil {
		return "", false
	}
	return ring.Algorithm(), true
}

// ReadyAt is from when on a next key may sign; zero when that is not known.
func (k *Keeper) ReadyAt(key storage.SigningKey) time.Time {
	ring := k.ring(key.Purpose)
	if ring == nil {
		return time.Time{}
	}
	return key.CreatedAt.Add(ring.Policy().Lead())
}

// Events are the audit events of changes that nobody asked for. Their details are
// a map[string]any.
func (k *Keeper) Events(changes []keys.Change) []audit.Event {
	events := make([]audit.Event, len(changes))
	for i, c := range changes {
		detail := map[string]any{"kid": c.KID, "purpose": c.Purpose, "alg": c.Algorithm, "from": c.From, "to": c.To}
		if !c.DueAt.IsZero() && c.To == keys.StatusNext {
			detail["due_at"] = c.DueAt
		}
		events[i] = audit.Event{Time: k.Clock(), Kind: kindOf(c), Detail: detail}
	}
	return events
}

func kindOf(c keys.Change) audit.Kind {
	switch c.To {
	case keys.StatusNext:
		if c.From == keys.StatusNext {
			return audit.KeyRotationAsked
		}
		return audit.KeyPublished
	case keys.StatusActive:
		return audit.KeyRotated
	case keys.StatusRetired:
		return audit.KeyRetired
	case keys.StatusRevoked:
		return audit.KeyRevoked
	}
	return audit.KeyRemoved
}
