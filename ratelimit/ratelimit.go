// Package ratelimit keeps one token bucket for each of a bounded number of names.
// The arithmetic is golang.org/x/time/rate's; this package owns which buckets are
// remembered. It knows neither requests nor tokens, and must not be asked about a
// name that costs its bearer nothing: whoever could invent names could push those of
// others out. A name is that of a verified token, or an address that has answered.
package ratelimit

import (
	"container/list"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// MaxNames is how many buckets a Limiter keeps unless told otherwise, and the most
// it can be told to: about 30 MB.
const MaxNames = 100_000

// Config of a Limiter.
type Config struct {
	// Requests may be made in each Per. Both are required.
	Requests int
	Per      time.Duration
	// Burst is how many of them at once; 0 means Requests.
	Burst int
	// MaxNames bounds how many buckets are kept; 0 means the constant. When one more
	// name comes, the bucket is forgotten that was not asked for the longest time.
	MaxNames int
}

// Limiter is safe for concurrent use.
type Limiter[K comparable] struct {
	limit rate.Limit
	burst int
	most  int

	mu     sync.Mutex
	byName map[K]*list.Element // of bucket[K]
	recent list.List           // the one asked for last in front
}

type bucket[K comparable] struct {
	name K
	rate *rate.Limiter
	// turn is held while a request is counted, and taken back if it has to wait.
	// Nothing is taken back of one that another was counted behind: of many refused
	// at once most would stay counted, and close the name for long.
	turn sync.Mutex
}

// New checks the configuration.
func New[K comparable](c Config) (*Limiter[K], error) {
	if c.Requests < 1 || c.Per <= 0 || c.Burst < 0 {
		return nil, errors.New("ratelimit: a rate is a number of requests, at least 1, in a time")
	}
	if c.MaxNames < 0 || c.MaxNames > MaxNames {
		return nil, errors.New("ratelimit: the number of names is out of bounds")
	}
	l := &Limiter[K]{
		limit: rate.Limit(float64(c.Requests) / c.Per.Seconds()), burst: c.Burst, most: c.MaxNames,
		byName: map[K]*list.Element{},
	}
	if l.burst == 0 {
		l.burst = c.Requests
	}
	if l.most == 0 {
		l.most = MaxNames
	}
	return l, nil
}

// Taken is one request counted.
type Taken struct {
	reserved *rate.Reservation
	at       time.Time
}

// Take counts a request of name. It passes when wait is 0; otherwise nothing was
// counted, and it may pass after wait.
func (l *Limiter[K]) Take(now time.Time, name K) (t Taken, wait time.Duration) {
	b := l.bucket(name)
	b.turn.Lock()
	defer b.turn.Unlock()
	t = Taken{b.rate.ReserveN(now, 1), now}
	if wait = t.reserved.DelayFrom(now); wait > 0 {
		t.Return()
	}
	return t, wait
}

// Return makes a request uncounted that was refused for another reason.
func (t Taken) Return() { t.reserved.CancelAt(t.at) }

// bucket finds or makes the bucket of name.
func (l *Limiter[K]) bucket(name K) *bucket[K] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byName[name]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket[K])
	}
	if len(l.byName) >= l.most {
		oldest := l.recent.Back()
		delete(l.byName, oldest.Value.(*bucket[K]).name)
		l.recent.Remove(oldest)
	}
	b := &bucket[K]{name: name, rate: rate.NewLimiter(l.limit, l.burst)}
	l.byName[name] = l.recent.PushFront(b)
	return b
}

// Names is how many buckets are kept.
func (l *Limiter[K]) Names() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byName)
}
