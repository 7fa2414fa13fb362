package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// Within is what else belongs to a change: it runs in the transaction, after the
// keys were changed, and may run again. An error undoes everything.
type Within = func(ctx context.Context, tx storage.Tx, changes []keys.Change) error

// Rotate makes the next key of a purpose and algorithm sign now, or as soon as
// everybody knows it. What there is no key of is [keys.ErrUnknown].
func (k *Keeper) Rotate(ctx context.Context, purpose, algorithm string, within Within) error {
	ring := k.ring(purpose)
	if ring == nil {
		return fmt.Errorf("%w: nothing is signed for the purpose %q", keys.ErrUnknown, purpose)
	}
	if err := keys.CheckAlgorithm(algorithm); err != nil {
		return fmt.Errorf("%w: %w", keys.ErrUnknown, err)
	}
	return k.change(ctx, ring, algorithm, func(ctx context.Context, tx storage.Tx, spares keys.Spares) error {
		changes, err := ring.RotateIn(ctx, Tx{tx}, algorithm, spares)
		if err != nil {
			return err
		}
		return within(ctx, tx, changes)
	})
}

// Revoke ends a key at once: it leaves the JWK set, another one signs, and
// resource servers are told to refuse what it has signed. That is so for every
// purpose; that of checkpoints is of no use to them, and does no harm.
// Followers of the feed are to be woken afterwards.
func (k *Keeper) Revoke(ctx context.Context, kid string, within Within) error {
	all, err := k.Store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(key storage.SigningKey) bool { return key.KID == kid })
	if i < 0 {
		return fmt.Errorf("%w: %s", keys.ErrUnknown, kid)
	}
	ring := k.ring(all[i].Purpose)
	if ring == nil {
		return fmt.Errorf("signing: no ring for the purpose %q", all[i].Purpose)
	}
	return k.change(ctx, ring, all[i].Algorithm, func(ctx context.Context, tx storage.Tx, spares keys.Spares) error {
		changes, err := ring.RevokeIn(ctx, Tx{tx}, kid, spares)
		if err != nil {
			return err
		}
		if err := k.deny(ctx, tx, changes); err != nil {
			return err
		}
		return within(ctx, tx, changes)
	})
}

// deny tells resource servers of the keys that were revoked.
func (k *Keeper) deny(ctx context.Context, tx storage.Tx, changes []keys.Change) error {
	var entries []storage.FeedEntry
	now := k.Clock().UTC()
	for _, c := range changes {
		if c.To == keys.StatusRevoked {
			entries = append(entries, storage.FeedEntry{
				Kind: storage.FeedKey, Action: storage.FeedDeny, Subject: c.KID,
				CreatedAt: now, ExpiresAt: now.Add(denialLife),
			})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	_, err := tx.AppendFeed(ctx, entries)
	return err
}

// change runs one transaction, and lets the ring know what came of it. When that
// fails, the change holds all the same: the ring reads again before it signs. A
// spare is made only when the change cannot do without: nobody is to wait seconds
// for an RSA key on the day another one was stolen.
func (k *Keeper) change(ctx context.Context, ring *keys.Ring, algorithm string, fn func(context.Context, storage.Tx, keys.Spares) error) error {
	err := k.Store.Update(ctx, func(tx storage.Tx) error { return fn(ctx, tx, nil) })
	if errors.Is(err, keys.ErrNoSpare) {
		err = k.withSpare(ctx, ring, algorithm, fn)
	}
	if refresh := ring.Refresh(ctx); refresh != nil && err == nil {
		k.report(ctx, refresh)
	}
	if errors.Is(err, storage.ErrConflict) { // two changes at once, of which this came second
		err = fmt.Errorf("signing: the keys were changed meanwhile: %w", err)
	}
	return err
}

// withSpare gives the transaction its time anew: making the key may have used up
// the caller's.
func (k *Keeper) withSpare(ctx context.Context, ring *keys.Ring, algorithm string, fn func(context.Context, storage.Tx, keys.Spares) error) error {
	spares, err := ring.Spare(algorithm)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	return k.Store.Update(ctx, func(tx storage.Tx) error { return fn(ctx, tx, spares) })
}
