package resource

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
)

const (
	// maxOfCaller bounds the questions that are under way for one certificate, and
	// maxOfStranger those for one that has not shown a good token lately.
	maxOfCaller   = 32
	maxOfStranger = 4
	// maxOfStrangers bounds those of all strangers together. It is half of what
	// package introspection asks at a time, so that anybody with certificates of their
	// own making leaves the other half to those who are known.
	maxOfStrangers = 32

	// goodFor is how long a good token vouches for its certificate.
	goodFor = 10 * time.Minute
	// inactiveFor is how long an issuer is not asked again about an opaque token that
	// it called inactive. What has ended does not begin again; a token so new that its
	// issuer has not heard of it itself comes back after that.
	inactiveFor = 5 * time.Second
	// maxJunk inactive tokens within junkFor close a stranger's certificate for so
	// long.
	maxJunk = 8
	junkFor = time.Minute

	// maxInGate bounds each of a gate's memories.
	maxInGate = 4096

	// minOpaque is the fewest characters that an opaque token has. Fewer cannot hold
	// the 128 bits that RFC 6749 §10.10 wants of a token.
	minOpaque = 22
)

// gate decides who may have an issuer asked. An opaque token says nothing by
// itself, so that anybody can have any number of them asked about; without bounds
// they would take the places of those whose tokens are good. It remembers nothing
// in a token's favour.
type gate struct {
	mu        sync.Mutex
	asking    map[thumbprint.Thumbprint]int // questions under way
	strangers int                           // of them, by strangers
	good      memo[thumbprint.Thumbprint]
	junk      map[thumbprint.Thumbprint]junk
	inactive  memo[[sha256.Size]byte] // tokens, hashed
}

// junk is what a stranger has had asked for nothing.
type junk struct {
	count int
	until int64
}

// memo holds names until a time in Unix milliseconds, a bounded number of them. A
// time.Time that is kept would cost every request an allocation.
type memo[K comparable] map[K]int64

func (m memo[K]) holds(key K, now time.Time) bool { return now.UnixMilli() < m[key] }

func after(now time.Time, d time.Duration) int64 { return now.UnixMilli() + d.Milliseconds() }

// put makes room by forgetting any one: the order of a map is random.
func put[K comparable, V any](m map[K]V, key K, value V) {
	if _, ok := m[key]; !ok && len(m) >= maxInGate {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[key] = value
}

func newGate() *gate {
	return &gate{
		asking: map[thumbprint.Thumbprint]int{}, good: memo[thumbprint.Thumbprint]{},
		junk: map[thumbprint.Thumbprint]junk{}, inactive: memo[[sha256.Size]byte]{},
	}
}

// callerOf is whose question it is; callers without a certificate, who come only
// where unbound tokens are allowed, are one.
func callerOf(peer *peercert.Peer) thumbprint.Thumbprint {
	if peer == nil {
		return thumbprint.Thumbprint{}
	}
	return peer.Thumbprint
}

// enter lets a question pass, and returns what is to be called after it; nil when
// there are too many. vouched is said of a token that has been verified: its holder
// is no stranger.
func (g *gate) enter(caller thumbprint.Thumbprint, vouched bool, now time.Time) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	stranger := !vouched && !g.good.holds(caller, now)
	most := maxOfCaller
	if stranger {
		most = maxOfStranger
		if caller.IsZero() {
			most = maxOfStrangers
		}
		if j := g.junk[caller]; g.strangers >= maxOfStrangers || j.count >= maxJunk && now.UnixMilli() < j.until {
			return nil
		}
		g.strangers++
	}
	if g.asking[caller] >= most && (!caller.IsZero() || stranger) {
		if stranger {
			g.strangers--
		}
		return nil
	}
	g.asking[caller]++
	return func() { g.leave(caller, stranger) }
}

func (g *gate) leave(caller thumbprint.Thumbprint, stranger bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if stranger {
		g.strangers--
	}
	if g.asking[caller]--; g.asking[caller] == 0 {
		delete(g.asking, caller)
	}
}

// vouch remembers that the caller has shown a good token.
func (g *gate) vouch(caller thumbprint.Thumbprint, now time.Time) {
	if caller.IsZero() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	put(g.good, caller, after(now, goodFor))
	delete(g.junk, caller)
}

// dead remembers that a token is not active, and who showed it.
func (g *gate) dead(caller thumbprint.Thumbprint, raw string, now time.Time) {
	token := sha256.Sum256([]byte(raw))
	g.mu.Lock()
	defer g.mu.Unlock()
	put(g.inactive, token, after(now, inactiveFor))
	if caller.IsZero() {
		return
	}
	j := g.junk[caller]
	if now.UnixMilli() >= j.until {
		j = junk{0, after(now, junkFor)}
	}
	j.count++
	put(g.junk, caller, j)
}

// isDead reports whether the issuer has just called the token inactive.
func (g *gate) isDead(raw string, now time.Time) bool {
	token := sha256.Sum256([]byte(raw))
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inactive.holds(token, now)
}
