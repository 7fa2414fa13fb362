package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Change is one step in the life of a key, for the record of what was done.
type Change struct {
	KID, Purpose, Algorithm string
	From, To                string // statuses; "" before the key was made and after it was removed
	// DueAt is when a next key is going to be active because somebody asked for it.
	DueAt time.Time
}

// ErrUnknown: there is no such key, or none of such a kind.
var ErrUnknown = errors.New("keys: no such key")

// ErrNoSpare: a change needs a new key, and was given none.
var ErrNoSpare = errors.New("keys: a new key is needed")

// book is what a transaction does to the keys of one purpose: it decides on
// records in memory and writes them in one go.
type book struct {
	policy  Policy
	now     time.Time
	records []Record
	spares  map[string]Record // by algorithm: new keys, used up as they are needed
	sealer  *Sealer

	missing []string // algorithms for which a spare would have been used
	added   []string // kids
	dirty   []string
	removed []string
	changes []Change
}

func (b *book) find(algorithm, status string) *Record {
	i := slices.IndexFunc(b.records, func(r Record) bool { return r.Algorithm == algorithm && r.Status == status })
	if i < 0 {
		return nil
	}
	return &b.records[i]
}

func (b *book) byKID(kid string) *Record {
	i := slices.IndexFunc(b.records, func(r Record) bool { return r.KID == kid })
	if i < 0 {
		return nil
	}
	return &b.records[i]
}

// touch notes that a record has to be written, and what became of it.
func (b *book) touch(r *Record, to string) {
	b.changes = append(b.changes, Change{r.KID, r.Purpose, r.Algorithm, r.Status, to, r.DueAt})
	r.Status = to
	b.rewrite(r)
}

func (b *book) rewrite(r *Record) {
	if !slices.Contains(b.added, r.KID) && !slices.Contains(b.dirty, r.KID) {
		b.dirty = append(b.dirty, r.KID)
	}
}

// add makes a spare a key of the ring. It reports whether there was one.
func (b *book) add(algorithm, status string, due time.Time) bool {
	r, ok := b.spares[algorithm]
	if !ok {
		b.missing = append(b.missing, algorithm)
		return false
	}
	delete(b.spares, algorithm)
	r.Status, r.CreatedAt, r.DueAt = status, b.now, due
	if status == StatusActive {
		r.ActivatedAt = b.now
	}
	b.records = append(b.records, r)
	b.added = append(b.added, r.KID)
	b.changes = append(b.changes, Change{r.KID, r.Purpose, r.Algorithm, "", status, due})
	return true
}

func (b *book) activate(r *Record) {
	r.ActivatedAt, r.DueAt = b.now, time.Time{}
	b.touch(r, StatusActive)
}

func (b *book) retire(r *Record) {
	r.RetiredAt, r.ExpiresAt = b.now, b.now.Add(b.policy.overlap())
	b.touch(r, StatusRetired)
}

// erase leaves of a key only its public half: it signs no more.
func (b *book) erase(r *Record) error {
	secret, err := b.sealer.open(r.KEKID, r.Sealed, r.place())
	if err != nil {
		return err
	}
	defer clear(secret)
	private, public, err := decode(secret)
	if err != nil || private == nil {
		return err
	}
	left, err := encodePublic(public)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	r.KEKID, r.Sealed, err = b.sealer.seal(left, r.place())
	b.rewrite(r)
	return err
}

func (b *book) remove(r Record) {
	b.changes = append(b.changes, Change{KID: r.KID, Purpose: r.Purpose, Algorithm: r.Algorithm, From: r.Status})
	b.removed = append(b.removed, r.KID)
	b.records = slices.DeleteFunc(b.records, func(other Record) bool { return other.KID == r.KID })
}

// rotate makes the next key active now, or as soon as it is known everywhere.
func (b *book) rotate(algorithm string) error {
	next, active := b.find(algorithm, StatusNext), b.find(algorithm, StatusActive)
	switch {
	case next == nil && active == nil:
		return fmt.Errorf("%w for %s", ErrUnknown, algorithm)
	case next == nil:
		if !b.add(algorithm, StatusNext, b.now.Add(b.policy.Lead())) {
			return ErrNoSpare
		}
	case b.now.Before(b.policy.ready(next)):
		if next.DueAt.IsZero() {
			next.DueAt = b.policy.ready(next)
			b.touch(next, StatusNext)
		}
	default:
		b.replace(active, next)
	}
	return nil
}

// replace is the rotation itself: the one transition that a crash must not cut
// in two.
func (b *book) replace(active, next *Record) {
	if active != nil {
		b.retire(active)
	}
	b.activate(next)
	b.add(next.Algorithm, StatusNext, time.Time{})
}

// revoke ends a key whatever it was. When it signed, another one signs from now
// on, known everywhere or not.
func (b *book) revoke(kid string) error {
	r := b.byKID(kid)
	if r == nil {
		return fmt.Errorf("%w: %s", ErrUnknown, kid)
	}
	was, algorithm := r.Status, r.Algorithm
	if was == StatusRevoked {
		return nil
	}
	r.RevokedAt, r.DueAt = b.now, time.Time{}
	if err := b.erase(r); err != nil {
		return err
	}
	b.touch(r, StatusRevoked)
	switch next := b.find(algorithm, StatusNext); {
	case was == StatusRetired:
	case was == StatusActive && next == nil:
		if !b.add(algorithm, StatusActive, time.Time{}) {
			return ErrNoSpare
		}
	case was == StatusActive:
		b.activate(next)
		b.add(algorithm, StatusNext, time.Time{})
	default:
		b.add(algorithm, StatusNext, time.Time{})
	}
	return nil
}

// save writes what was decided. The old keys step back before the new ones come:
// at no moment are there two active ones.
func (b *book) save(ctx context.Context, tx Tx) error {
	for _, kid := range b.removed {
		if err := tx.RemoveSigningKey(ctx, kid); err != nil {
			return fmt.Errorf("keys: remove %s: %w", kid, err)
		}
	}
	for _, kid := range b.dirty { // in the order they were touched: first who steps back
		if r := b.byKID(kid); r != nil {
			if err := tx.UpdateSigningKey(ctx, *r); err != nil {
				return fmt.Errorf("keys: update %s: %w", kid, err)
			}
		}
	}
	for _, kid := range b.added {
		if err := tx.AddSigningKey(ctx, *b.byKID(kid)); err != nil {
			return fmt.Errorf("keys: add %s: %w", kid, err)
		}
	}
	return nil
}
