package keys

import (
	"errors"
	"time"
)

const (
	// PollEvery is how often an instance reads the keys of its database again.
	PollEvery = time.Second

	// maxAge of what an instance knows: with older knowledge it neither signs nor
	// publishes, but reads first, and fails when it cannot. So a change that was
	// committed is known everywhere this much later.
	maxAge = 5 * time.Second

	// clockError is by how much the clocks of two instances may differ: the one
	// that made a key dated it, another one may judge its age. It is the leeway
	// that resource servers have for the same clocks.
	clockError = 10 * time.Second

	// transfer is the time an answer with the keys may be on its way, during which
	// the cache of a resource server does not count yet.
	transfer = 5 * time.Second

	// Margin is how much longer than the cache time a key is published before it
	// signs.
	Margin = maxAge + clockError + transfer

	// leeway is the most that verifiers allow for clocks that differ.
	leeway = 30 * time.Second
)

// Bounds of Policy.CacheTime. Resource servers of ours keep keys for ten seconds
// at least and an hour at most, whatever they are told.
const (
	DefaultCacheTime = 5 * time.Minute
	MinCacheTime     = 10 * time.Second
	MaxCacheTime     = time.Hour
)

// Policy is the life of a ring's keys.
type Policy struct {
	// CacheTime is how long resource servers may keep the published keys, the
	// max-age of the JWK set; 0 means 5 minutes, 10 s to 1 h.
	CacheTime time.Duration
	// RotateEvery is how long a key is active; 0 means until somebody asks.
	RotateEvery time.Duration
	// Lifetime bounds the life of what the keys sign, counted from the signature;
	// 0 means an hour.
	Lifetime time.Duration
	// KeepPublic keeps the public half of retired keys for good, for signatures
	// that are verified years later.
	KeepPublic bool
}

func (p Policy) withDefaults() (Policy, error) {
	if p.CacheTime == 0 {
		p.CacheTime = DefaultCacheTime
	}
	if p.Lifetime == 0 {
		p.Lifetime = time.Hour
	}
	switch {
	case p.CacheTime < MinCacheTime || p.CacheTime > MaxCacheTime:
		return p, errors.New("keys: Policy.CacheTime must be from 10s to 1h")
	case p.RotateEvery != 0 && p.RotateEvery < p.Lead():
		return p, errors.New("keys: Policy.RotateEvery is shorter than a key needs to become known: " + p.Lead().String())
	case p.Lifetime < 0:
		return p, errors.New("keys: Policy.Lifetime is negative")
	}
	return p, nil
}

// Lead is how long a key is published before it signs: when it has passed, every
// instance has published the key for a whole cache time, so nobody holds a set
// without it.
func (p Policy) Lead() time.Duration { return p.CacheTime + Margin }

// overlap is how long a retired key is published. An instance that has not heard
// of the change goes on signing for maxAge.
func (p Policy) overlap() time.Duration { return p.Lifetime + maxAge + clockError + leeway }

// ready is from when on a next key may sign.
func (p Policy) ready(r *Record) time.Time { return r.CreatedAt.Add(p.Lead()) }
