package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ErrStale: the keys could not be read for so long that others may have changed
// them meanwhile.
var ErrStale = errors.New("keys: what is known of the keys is too old")

// Ring is the keys of one purpose: one active key an algorithm signs, all that
// resource servers may still need are published. It is safe for concurrent use,
// and several rings, in one process or many, may share a store: each knows what
// the others did within [PollEvery], or stops.
type Ring struct {
	store     Store
	sealer    *Sealer
	clock     func() time.Time
	algorithm string
	purpose   string
	policy    Policy
	fresh     bool // it was us who made the first key of all

	view    atomic.Pointer[view]
	reading sync.Mutex // held by the one who reads the store
}

// Purpose returns what the ring's keys may sign.
func (r *Ring) Purpose() string { return r.purpose }

// Policy returns the life of the ring's keys.
func (r *Ring) Policy() Policy { return r.policy }

// Sign signs as the default algorithm's [Signer] does.
func (r *Ring) Sign(payload []byte, typ string) (string, error) {
	v := r.view.Load()
	if !v.holds(r.clock()) {
		ctx, cancel := context.WithTimeout(context.Background(), maxAge)
		defer cancel()
		var err error
		if v, err = r.current(ctx); err != nil {
			return "", err
		}
	}
	return v.signer("", r.algorithm).Sign(payload, typ)
}

// Signer returns the active key of an algorithm; "" is the default one. While
// that algorithm has none yet, because its first key is not known everywhere, it
// is the default algorithm's, and while that has none, the one that became
// active last. What is known of the keys is read again before, when it is old.
func (r *Ring) Signer(ctx context.Context, algorithm string) (*Signer, error) {
	v, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	return v.signer(algorithm, r.algorithm), nil
}

// signer is never nil: Open sees to it that a key is active, and each transition
// leaves one.
func (v *view) signer(algorithm, fallback string) *Signer {
	if s := v.active[algorithm]; s != nil {
		return s
	}
	if s := v.active[fallback]; s != nil {
		return s
	}
	return v.latest
}

// current is what is known of the keys, not older than maxAge.
func (r *Ring) current(ctx context.Context) (*view, error) {
	v := r.view.Load()
	if v.holds(r.clock()) {
		return v, nil
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	if v = r.view.Load(); v.holds(r.clock()) { // somebody else has read meanwhile
		return v, nil
	}
	if err := r.read(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	return r.view.Load(), nil
}

// holds reports whether v may be relied on. A clock that was set back says
// nothing about the age of what was read before.
func (v *view) holds(now time.Time) bool {
	age := now.Sub(v.read)
	return age >= 0 && age <= maxAge
}

// Refresh reads the store now. When that fails what is known is in doubt, and
// nothing is signed or published before it has been read again.
func (r *Ring) Refresh(ctx context.Context) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	err := r.read(ctx)
	if err != nil {
		doubtful := *r.view.Load()
		doubtful.read = time.Time{}
		r.view.Store(&doubtful)
	}
	return err
}

// read is called by whoever holds reading. The age counts from before the
// question: what is committed while it runs may be missing in the answer.
func (r *Ring) read(ctx context.Context) error {
	now := r.clock()
	records, err := r.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("keys: read the keys: %w", err)
	}
	v, err := newView(r.sealer, r.purpose, records, r.view.Load(), now)
	if err != nil {
		return err
	}
	if v.latest == nil && r.view.Load() != nil {
		return fmt.Errorf("keys: no key is active for %s", r.purpose)
	}
	r.view.Store(v)
	return nil
}

// KeyID returns the kid of the key that [Ring.Sign] would use.
func (r *Ring) KeyID() string { return r.view.Load().signer("", r.algorithm).kid }

// Algorithm returns the JWS algorithm of the key that [Ring.Sign] would use.
func (r *Ring) Algorithm() string { return r.view.Load().signer("", r.algorithm).algorithm }

// PublicKey returns the published key with that kid: what this ring has signed
// is verified with it, without asking anybody. Its Algorithm is the only one it
// may be used with. A kid that is not known may be that of a key which another
// instance has made in an emergency: the store is asked for it, four times a
// second at most, whoever sends how many.
func (r *Ring) PublicKey(kid string) (jose.JSONWebKey, bool) {
	key, known := r.publicKey(kid)
	if !known && r.readUnlessJustRead() {
		return r.publicKey(kid)
	}
	return key, known
}

func (r *Ring) publicKey(kid string) (jose.JSONWebKey, bool) {
	v, now := r.view.Load(), r.clock()
	i := slices.IndexFunc(v.records, func(record Record) bool { return record.KID == kid })
	if i < 0 || !published(&v.records[i], r.policy, now) {
		return jose.JSONWebKey{}, false
	}
	return v.opened[i].key, true
}

// justRead is how old knowledge may be to say that a key does not exist.
const justRead = time.Second / 4

// readUnlessJustRead reports whether there may be news.
func (r *Ring) readUnlessJustRead() bool {
	r.reading.Lock()
	defer r.reading.Unlock()
	if age := r.clock().Sub(r.view.Load().read); age >= 0 && age < justRead {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxAge)
	defer cancel()
	return r.read(ctx) == nil
}

// PublicJWKS returns the JWK set (RFC 7517 §5): next and active keys, and
// retired ones until the last token they signed has expired.
func (r *Ring) PublicJWKS() []byte { return r.view.Load().jwks(r.policy, r.clock()) }

// JWKS is [Ring.PublicJWKS] for those who keep it: not older than maxAge, or an
// error.
func (r *Ring) JWKS(ctx context.Context) ([]byte, error) {
	v, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	return v.jwks(r.policy, r.clock()), nil
}
