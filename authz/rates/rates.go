// Package rates holds each client of the authorization server to a number of
// requests. It is asked about clients that have just been authenticated and about
// nobody else: a stranger can neither use up a client's rate nor push it out. It
// knows no endpoint and no record.
package rates

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/ratelimit"
	"github.com/certbound/certbound/resource/decision"
)

// Config says how many requests each client may make. A zero rate means no bound.
type Config struct {
	Token, Introspection, Revocation, Feed ratelimit.Config
}

// Rates are the counters behind a Config. The zero value bounds nothing.
type Rates struct {
	Token, Introspection, Revocation, Feed Rate

	mu     sync.Mutex // held by Set
	config Config
}

// New returns Rates that hold to c.
func New(c Config) (*Rates, error) {
	r := new(Rates)
	return r, r.Set(c)
}

// Set puts other rates in force, for requests that are asked about from now on. A
// rate that stays as it was keeps what it has counted. On an error nothing has
// changed.
func (r *Rates) Set(c Config) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.config == c {
		return nil
	}
	type change struct {
		rate    *Rate
		limiter *ratelimit.Limiter[string]
	}
	var changes []change
	var faults []error
	for _, one := range []struct {
		rate      *Rate
		old, next ratelimit.Config
	}{
		{&r.Token, r.config.Token, c.Token},
		{&r.Introspection, r.config.Introspection, c.Introspection},
		{&r.Revocation, r.config.Revocation, c.Revocation},
		{&r.Feed, r.config.Feed, c.Feed},
	} {
		if one.old == one.next {
			continue
		}
		limiter, err := newLimiter(one.next)
		changes, faults = append(changes, change{one.rate, limiter}), append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	for _, one := range changes {
		one.rate.limiter.Store(one.limiter)
	}
	r.config = c
	return nil
}

func newLimiter(c ratelimit.Config) (*ratelimit.Limiter[string], error) {
	if c == (ratelimit.Config{}) {
		return nil, nil
	}
	return ratelimit.New[string](c)
}

// Rate is that of one endpoint, for each client. A nil Rate bounds nothing.
type Rate struct {
	limiter atomic.Pointer[ratelimit.Limiter[string]]
}

// Take counts a request of a client that has been authenticated. It returns the
// refusal of one that comes too early, which is not counted.
func (r *Rate) Take(now time.Time, clientID string) *oauth.Error {
	if r == nil {
		return nil
	}
	limiter := r.limiter.Load()
	if limiter == nil {
		return nil
	}
	_, wait := limiter.Take(now, clientID)
	if wait == 0 {
		return nil
	}
	return &oauth.Error{Reason: decision.RateLimited, RetryAfter: wait, Detail: "the client has used up its rate at this endpoint"}
}
