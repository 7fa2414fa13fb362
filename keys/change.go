package keys

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Spares are new keys, sealed and not stored yet, by algorithm. They are made
// before a transaction: that of an RSA key takes a second.
type Spares map[string]Record

// Spare makes a key of each algorithm.
func (r *Ring) Spare(algorithms ...string) (Spares, error) {
	spares := Spares{}
	for _, algorithm := range algorithms {
		key, err := generate(algorithm)
		if err != nil {
			return nil, err
		}
		if spares[algorithm], err = r.newRecord(key, algorithm); err != nil {
			return nil, err
		}
	}
	return spares, nil
}

// newRecord seals key as an active key of now.
func (r *Ring) newRecord(key crypto.Signer, algorithm string) (Record, error) {
	jwk, err := publicJWK(key.Public(), algorithm)
	if err != nil {
		return Record{}, err
	}
	public, err := json.Marshal(jwk)
	if err != nil {
		return Record{}, fmt.Errorf("keys: %w", err)
	}
	now := r.now()
	record := Record{
		KID: jwk.KeyID, Purpose: r.purpose, Algorithm: algorithm, Status: StatusActive,
		PublicJWK: string(public), CreatedAt: now, ActivatedAt: now,
	}
	secret, err := encode(key)
	if err != nil {
		return Record{}, fmt.Errorf("keys: %w", err)
	}
	defer clear(secret)
	record.KEKID, record.Sealed, err = r.sealer.seal(secret, record.place())
	return record, err
}

func (r *Ring) now() time.Time { return r.clock().UTC().Truncate(time.Second) }

// book opens the keys of the purpose as the transaction sees them.
func (r *Ring) book(records []Record, spares Spares) *book {
	b := &book{policy: r.policy, now: r.now(), sealer: r.sealer, spares: map[string]Record{}}
	for _, record := range records {
		if record.Purpose == r.purpose {
			b.records = append(b.records, record)
		}
	}
	for algorithm, spare := range spares { // the transaction may run again
		spare.ActivatedAt = time.Time{}
		b.spares[algorithm] = spare
	}
	return b
}

// within runs fn on the keys as tx sees them, and saves what it decided.
func (r *Ring) within(ctx context.Context, tx Tx, spares Spares, fn func(*book) error) ([]Change, error) {
	records, err := tx.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: read the keys: %w", err)
	}
	b := r.book(records, spares)
	if err := fn(b); err != nil {
		return nil, err
	}
	return b.changes, b.save(ctx, tx)
}

// RotateIn makes the next key of an algorithm active, the active one retired and
// a spare the next one, in a transaction of the caller's. Without a spare TendIn
// makes the next one later. A next key that is not known everywhere yet becomes
// active when it is: the change says when. No key for the algorithm is
// [ErrUnknown]; where there is no next, a spare has to be given: [ErrNoSpare]. Call
// Refresh when the transaction has ended.
func (r *Ring) RotateIn(ctx context.Context, tx Tx, algorithm string, spares Spares) ([]Change, error) {
	return r.within(ctx, tx, spares, func(b *book) error { return b.rotate(algorithm) })
}

// RevokeIn ends a key at once, in a transaction of the caller's, and erases its
// private half. When it was the active one the next signs from now on, whoever
// knows it, or a spare where there is no next ([ErrNoSpare] without one). A key
// that was revoked before is no change; one that is not there is [ErrUnknown]. Who
// published it tells resource servers, in the same transaction. Call Refresh when
// it has ended.
func (r *Ring) RevokeIn(ctx context.Context, tx Tx, kid string, spares Spares) ([]Change, error) {
	return r.within(ctx, tx, spares, func(b *book) error { return b.revoke(kid) })
}

// TendIn does what time has made necessary: it makes keys for the algorithms that
// are wanted, beside the ring's own; lets next keys sign whose time has come;
// ends those of algorithms that nobody wants any more; and removes what is over.
func (r *Ring) TendIn(ctx context.Context, tx Tx, wanted []string, spares Spares) ([]Change, error) {
	return r.within(ctx, tx, spares, func(b *book) error { return r.tend(b, wanted) })
}

func (r *Ring) tend(b *book, wanted []string) error {
	all := []string{r.algorithm}
	for _, algorithm := range wanted {
		if algorithm != "" && !slices.Contains(all, algorithm) {
			all = append(all, algorithm)
		}
	}
	return b.tend(all, r.algorithm, r.fresh)
}

// Due reports whether TendIn has something to do, as far as is known, and which
// spares it needs.
func (r *Ring) Due(wanted []string) (bool, []string, error) {
	b := r.book(slices.Clone(r.view.Load().records), nil)
	if err := r.tend(b, wanted); err != nil {
		return false, nil, err
	}
	return len(b.changes)+len(b.dirty)+len(b.missing) > 0, b.missing, nil
}

// Settled ends the time in which nobody can have seen the ring's keys, because
// none was published yet. Call it before the first answer.
func (r *Ring) Settled() { r.fresh = false }
