package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// floor is the least time between two successful fetches, and the most
	// between two attempts while the issuer does not answer.
	floor = 10 * time.Second
	// firstRetry is how soon a failed fetch is tried again; it doubles up to
	// floor.
	firstRetry = time.Second
	// unknownFor is how long a kid that a fetched set did not have asks for no
	// further fetch, and maxUnknown how many such kids are remembered.
	unknownFor = time.Minute
	maxUnknown = 1000
)

// Bounds of Config.MaxStale.
const (
	DefaultMaxStale = 24 * time.Hour
	minMaxStale     = time.Minute
	maxMaxStale     = 7 * 24 * time.Hour
)

// ErrUnavailable means that the issuer's keys are not known: they have never
// been fetched, or too long ago, or the issuer publishes none that we can use.
var ErrUnavailable = errors.New("jwks: the issuer's keys are not available")

// Config says whose keys to get and how.
type Config struct {
	Issuer     string           // https URL, RFC 8414 §2
	HTTPClient *http.Client     // default: the system's roots
	Clock      func() time.Time // default time.Now
	Logger     *slog.Logger     // failed fetches; default slog.Default()

	// MaxStale is how long the last good set is used while no newer one can be had:
	// from a minute to a week, 0 means [DefaultMaxStale]. No access token lives as
	// long as the default, so an honest outage never reaches it; it ends the use of
	// a stolen key by somebody who keeps us from the issuer.
	MaxStale time.Duration
}

// Remote is an issuer's published set of keys, fetched when it is needed and
// kept: until its max-age, and beyond when the issuer does not answer.
//
// It owns no background work. A fetch is started by a request, serves all that
// wait, has its own deadline, and does not end with the request that started
// it. However many unknown kids strangers send, there is at most one fetch at a
// time and one in ten seconds, and no more than a thousand such kids are
// remembered.
//
// What the issuer says in Cache-Control counts between ten seconds and an hour:
// that hour is how long a key that was withdrawn may live on here, where no
// revocation feed says otherwise.
type Remote struct {
	fetcher  fetcher
	maxStale time.Duration
	clock    func() time.Time
	logger   *slog.Logger

	mu       sync.Mutex
	current  *snapshot            // the last good set; nil before the first
	flight   *flight              // the fetch under way, if any
	nextTry  time.Time            // no fetch before
	failures int                  // fetches that failed since the last good one
	lastErr  error                // of the last fetch
	counts   Status               // fetches since the start
	unknown  map[string]time.Time // kids the current set was fetched for in vain, and until when
}

// snapshot is one fetched set.
type snapshot struct {
	set     Set
	fetched time.Time
	maxAge  time.Duration // when to ask again
}

func (s *snapshot) fresh(now time.Time) bool { return Age(s.fetched, now) < s.maxAge }

// flight is one fetch; done is closed when its result is in the Remote.
type flight struct{ done chan struct{} }

// New checks the configuration. It fetches nothing: a resource server may start
// before its issuer.
func New(c Config) (*Remote, error) {
	f, err := newFetcher(c.Issuer, c.HTTPClient)
	if err != nil {
		return nil, err
	}
	if c.MaxStale == 0 {
		c.MaxStale = DefaultMaxStale
	}
	if c.MaxStale < minMaxStale || c.MaxStale > maxMaxStale {
		return nil, fmt.Errorf("jwks: MaxStale %v is not between %v and %v", c.MaxStale, minMaxStale, maxMaxStale)
	}
	r := &Remote{fetcher: f, maxStale: c.MaxStale, clock: c.Clock, logger: c.Logger, unknown: map[string]time.Time{}}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	return r, nil
}

// Keys returns the keys that carry kid, none when the issuer publishes no such
// key, and an error that wraps [ErrUnavailable] when that cannot be said. The
// slice is shared and must not be changed.
func (r *Remote) Keys(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	keys, pending, err := r.lookUp(kid)
	if pending == nil {
		return keys, err
	}
	select {
	case <-pending.done:
		return r.afterFetch(kid)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// lookUp answers from what is there, or returns the fetch to wait for.
func (r *Remote) lookUp(kid string) ([]jose.JSONWebKey, *flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	s := r.usable(now)
	if s == nil {
		if f := r.start(now); f != nil {
			return nil, f, nil
		}
		return nil, nil, r.unavailable()
	}
	keys, fresh := s.set.byID(kid), s.fresh(now)
	if fresh && (len(keys) > 0 || now.Before(r.unknown[kid])) {
		return keys, nil, nil
	}
	f := r.start(now)
	// An issuer in trouble must not slow down those whose key we have: they wait
	// for the first attempt only, and later ones run behind them.
	if f == nil || len(keys) > 0 && r.failures > 0 {
		return r.settle(keys, fresh)
	}
	return nil, f, nil
}

// settle is the answer when there is no fetch to wait for: what the last good
// set has. What it has not may exist by now, unless it is fresh.
func (r *Remote) settle(keys []jose.JSONWebKey, fresh bool) ([]jose.JSONWebKey, *flight, error) {
	if len(keys) == 0 && !fresh {
		return nil, nil, r.unavailable()
	}
	return keys, nil, nil
}

// afterFetch answers from the result of a fetch, good or bad.
func (r *Remote) afterFetch(kid string) ([]jose.JSONWebKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	s := r.usable(now)
	if s == nil {
		return nil, r.unavailable()
	}
	keys, fresh := s.set.byID(kid), s.fresh(now)
	if len(keys) == 0 && r.failures == 0 && len(r.unknown) < maxUnknown {
		r.unknown[kid] = now.Add(unknownFor)
	}
	keys, _, err := r.settle(keys, fresh)
	return keys, err
}

// usable is the current set, unless there is none, it is empty, or too old.
func (r *Remote) usable(now time.Time) *snapshot {
	s := r.current
	if s == nil || len(s.set) == 0 || Age(s.fetched, now) >= r.maxStale {
		return nil
	}
	return s
}

func (r *Remote) unavailable() error {
	if r.lastErr != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, r.lastErr)
	}
	return fmt.Errorf("%w: the set holds no usable key", ErrUnavailable)
}

// start returns the fetch under way, begins one, or returns nil when the last
// one is too recent.
func (r *Remote) start(now time.Time) *flight {
	if r.flight != nil || now.Before(r.nextTry) {
		return r.flight
	}
	f := &flight{done: make(chan struct{})}
	r.flight = f
	go r.fetch(f, r.failures > 0)
	return f
}

// fetch runs without the lock and without anybody's context: the request that
// started it may be gone, and others wait for it.
func (r *Remote) fetch(f *flight, rediscover bool) {
	defer close(f.done)
	set, maxAge, err := r.fetcher.fetch(r.clock(), rediscover)
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight, r.lastErr = nil, err
	r.counts.Fetches++
	if err != nil {
		r.nextTry = now.Add(min(firstRetry<<min(r.failures, 10), floor))
		r.failures++
		r.counts.Failures++
		r.logger.Warn("issuer_keys_fetch_failed", "issuer", r.fetcher.issuer, "error", err.Error(), "failures", r.failures)
		return
	}
	r.failures = 0
	r.nextTry = now.Add(floor)
	if r.current != nil {
		set.keep(r.current.set)
	}
	r.current = &snapshot{set: set, fetched: now, maxAge: maxAge}
	for kid, until := range r.unknown {
		if !now.Before(until) || len(set.byID(kid)) > 0 {
			delete(r.unknown, kid)
		}
	}
}
