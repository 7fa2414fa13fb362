package resource

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/accesstoken"
)

// reading is what a token says: its header and its claims. It is a function of
// the token's octets and of nothing else, so it may be kept with them.
type reading struct {
	header   accesstoken.Header
	claims   *accesstoken.Claims // never handed out; checks read these
	audience string              // all of claims.Audience, for the operator

	// What callers get to see. It is shared by all requests with this token, and
	// the checks do not rely on it.
	audiences, scopes []string

	lastNeeded atomic.Pointer[[]string]

	// key has verified the signature; empty as long as none has.
	key jose.JSONWebKey
	// compact is what that key will have to verify; nil behind it.
	compact *accesstoken.Compact
}

func newReading(compact *accesstoken.Compact, c *accesstoken.Claims) *reading {
	return &reading{
		header: compact.Header, claims: c, compact: compact, audience: strings.Join(c.Audience, " "),
		audiences: slices.Clone(c.Audience), scopes: slices.Clone(c.Scopes),
	}
}

// withKey is the same reading of a token whose signature key has verified.
func (t *reading) withKey(key *jose.JSONWebKey) *reading {
	return &reading{
		header: t.header, claims: t.claims, audience: t.audience,
		audiences: t.audiences, scopes: t.scopes, key: *key,
	}
}

// needed is p's scopes as a slice of our own. A token mostly meets one policy, so
// the last one is kept instead of made again.
func (t *reading) needed(p *Policy) []string {
	if len(p.AllOf)+len(p.AnyOf) == 0 {
		return nil
	}
	if last := t.lastNeeded.Load(); last != nil && len(p.AnyOf) == 0 && slices.Equal(*last, p.AllOf) {
		return *last
	}
	own := slices.Concat(p.AllOf, p.AnyOf)
	if len(p.AnyOf) == 0 {
		t.lastNeeded.Store(&own)
	}
	return own
}

// verifiedBy reports whether key is the one that has verified the signature: the
// same kid, for the same use and algorithm, and the same key. The issuer's keys
// are looked up on every request, so a result dies with its key.
func (t *reading) verifiedBy(key *jose.JSONWebKey) bool {
	return t.key.KeyID != "" && sameKey(&t.key, key)
}

func sameKey(a, b *jose.JSONWebKey) bool {
	if a.KeyID != b.KeyID || a.Algorithm != b.Algorithm || a.Use != b.Use {
		return false
	}
	switch key := a.Key.(type) {
	case *ecdsa.PublicKey:
		other, ok := b.Key.(*ecdsa.PublicKey)
		return ok && (key == other || key.Equal(other))
	case *rsa.PublicKey:
		other, ok := b.Key.(*rsa.PublicKey)
		return ok && (key == other || key.Equal(other))
	case ed25519.PublicKey:
		other, ok := b.Key.(ed25519.PublicKey)
		return ok && key.Equal(other)
	}
	return false
}

// Bounds of [Config.CacheSize].
const (
	DefaultCacheSize = 10_000
	MaxCacheSize     = 10_000_000
)

const (
	resultShards = 16
	// maxCached is the longest token that is kept: with it, the number of tokens
	// bounds the memory. A longer one is verified each time.
	maxCached = 4 << 10
)

// results remembers which tokens have a good signature, by the whole token and
// together with the key. Nothing else is remembered: time, issuer, audience,
// type, binding, revocation and scopes are judged on every request.
//
// Only good signatures come in, so that no stranger can push them out with
// garbage. There are two generations: when the young one is full it becomes the
// old one, whose tokens come back if they are used, and what was old is
// forgotten. That bounds the memory without a clock, a list or a goroutine.
//
// A map with the token itself as its key was measured against SHA-256 of the
// token (seven times slower for a token of 700 octets) and against a cache
// library (twice as slow, and twelve packages for every user of the verifier).
// It compares all octets, so there are no collisions to think about.
type results struct {
	seed   maphash.Seed
	shards [resultShards]resultShard
}

type resultShard struct {
	mu         sync.RWMutex
	limit      int // of one generation
	young, old map[string]*reading
}

// newResults returns room for size tokens; nil for none.
func newResults(size int) *results {
	if size <= 0 {
		return nil
	}
	r := &results{seed: maphash.MakeSeed()}
	for i := range r.shards {
		// Two generations, and at least one token in each.
		r.shards[i].limit = max(1, size/(2*resultShards))
		r.shards[i].young = map[string]*reading{}
	}
	return r
}

func (r *results) shard(token string) *resultShard {
	// The end of a token is its signature; it is as good as random.
	return &r.shards[maphash.String(r.seed, token[max(0, len(token)-16):])%resultShards]
}

// get returns what is known of the token, nil for nothing.
func (r *results) get(token string) *reading {
	if r == nil || token == "" {
		return nil
	}
	s := r.shard(token)
	s.mu.RLock()
	t, young := s.young[token]
	if !young {
		t = s.old[token]
	}
	s.mu.RUnlock()
	if t != nil && !young {
		s.put(token, t)
	}
	return t
}

// put remembers a token whose signature t.key has just verified.
func (r *results) put(token string, t *reading) {
	if r != nil && len(token) <= maxCached {
		r.shard(token).put(token, t)
	}
}

func (s *resultShard) put(token string, t *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.young[token]; !there && len(s.young) >= s.limit {
		s.old, s.young = s.young, make(map[string]*reading, s.limit)
	}
	// As a part of a request's header the token would keep all of it.
	s.young[strings.Clone(token)] = t
}
