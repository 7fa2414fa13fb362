package keys

import (
	"slices"
	"time"
)

// tend does what time has made necessary. wanted are the algorithms that keys are
// to be there for, fallback is the one that signs where another is not ready;
// fresh means that nobody can have seen the keys yet, so that none needs to wait.
func (b *book) tend(wanted []string, fallback string, fresh bool) error {
	for _, algorithm := range wanted {
		b.tendAlgorithm(algorithm, fresh)
	}
	b.dismiss(wanted, fallback)
	if err := b.end(); err != nil {
		return err
	}
	return b.renew()
}

func (b *book) tendAlgorithm(algorithm string, fresh bool) {
	next, active := b.find(algorithm, StatusNext), b.find(algorithm, StatusActive)
	switch {
	case active == nil && next == nil && fresh:
		b.add(algorithm, StatusActive, time.Time{})
	case active == nil && next == nil: // it signs as soon as it may
		b.add(algorithm, StatusNext, b.now.Add(b.policy.Lead()))
	case next == nil:
		b.add(algorithm, StatusNext, time.Time{})
	case b.due(active, next):
		b.replace(active, next)
	}
}

// due reports whether next is to sign from now on.
func (b *book) due(active, next *Record) bool {
	switch {
	case b.now.Before(b.policy.ready(next)):
		return false
	case active == nil:
		return true
	case !next.DueAt.IsZero():
		return !b.now.Before(next.DueAt)
	}
	return b.policy.RotateEvery > 0 && !b.now.Before(active.ActivatedAt.Add(b.policy.RotateEvery))
}

// dismiss ends the keys of algorithms that nobody uses any more, once the one
// that takes over can sign.
func (b *book) dismiss(wanted []string, fallback string) {
	if b.find(fallback, StatusActive) == nil {
		return
	}
	for _, r := range slices.Clone(b.records) {
		if slices.Contains(wanted, r.Algorithm) {
			continue
		}
		switch r.Status {
		case StatusNext:
			b.remove(r)
		case StatusActive:
			b.retire(b.byKID(r.KID))
		}
	}
}

// end erases private keys that are over, and removes the records of those whose
// public half nobody needs either.
func (b *book) end() error {
	for _, r := range slices.Clone(b.records) {
		if r.Status != StatusRetired || b.now.Before(r.ExpiresAt) {
			continue
		}
		if !b.policy.KeepPublic {
			b.remove(r)
			continue
		}
		if err := b.erase(b.byKID(r.KID)); err != nil {
			return err
		}
	}
	return nil
}

// renew seals with the present key-encryption key what an older one sealed, so
// that the older one can be taken away.
func (b *book) renew() error {
	for i := range b.records {
		r := &b.records[i]
		if r.KEKID == b.sealer.active {
			continue
		}
		secret, err := b.sealer.open(r.KEKID, r.Sealed, r.place())
		if err != nil {
			return err
		}
		r.KEKID, r.Sealed, err = b.sealer.seal(secret, r.place())
		clear(secret)
		if err != nil {
			return err
		}
		b.rewrite(r)
	}
	return nil
}
