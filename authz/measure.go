package authz

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// Stored is what an operator watches in the database.
type Stored struct {
	FeedSeq     int64 // number of the last entry of the revocation feed
	SigningKeys []KeyCount
	// CertificatesExpiring are those of clients that end within 30 days.
	CertificatesExpiring int64
}

// expiringWithin is how far ahead CertificatesExpiring looks.
const expiringWithin = 30 * 24 * time.Hour

// KeyCount is how many signing keys of one purpose are in one state.
type KeyCount struct {
	Purpose string // "access_token", …
	State   string // "next", "active" or "retired"
	Count   int
	// Since is when the first of them came into use; zero for those that have not.
	Since time.Time
}

// Stored reads it: three cheap queries. A key that has left the JWK set is not
// counted.
func (s *Server) Stored(ctx context.Context) (Stored, error) {
	seq, err := s.store.FeedSeq(ctx)
	if err != nil {
		return Stored{}, fmt.Errorf("authz: reading the feed's number: %w", err)
	}
	keys, err := s.store.SigningKeys(ctx)
	if err != nil {
		return Stored{}, fmt.Errorf("authz: reading signing keys: %w", err)
	}
	now := s.clock()
	expiring, err := s.store.CountExpiringCertificates(ctx, now, now.Add(expiringWithin))
	if err != nil {
		return Stored{}, fmt.Errorf("authz: counting certificates: %w", err)
	}
	return Stored{FeedSeq: seq, SigningKeys: countKeys(keys, now), CertificatesExpiring: expiring}, nil
}

// keysRevoked is the state of keys that are there for the record only.
const keysRevoked = "revoked"

func countKeys(keys []storage.SigningKey, now time.Time) []KeyCount {
	var counts []KeyCount
	index := map[[2]string]int{}
	for i := range keys {
		key := &keys[i]
		if key.Status == keysRevoked || !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt) {
			continue
		}
		id := [2]string{key.Purpose, key.Status}
		at, known := index[id]
		if !known {
			at = len(counts)
			index[id] = at
			counts = append(counts, KeyCount{Purpose: key.Purpose, State: key.Status, Since: key.ActivatedAt})
		}
		c := &counts[at]
		c.Count++
		if !key.ActivatedAt.IsZero() && (c.Since.IsZero() || key.ActivatedAt.Before(c.Since)) {
			c.Since = key.ActivatedAt
		}
	}
	slices.SortFunc(counts, func(a, b KeyCount) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.State, b.State))
	})
	return counts
}

// AuditStats returns what the audit recorder has done since the start.
func (s *Server) AuditStats() audit.Stats {
	stats := s.audit.Stats()
	stats.Pruned, stats.PruneFailed = s.sweeper.Deleted()
	return stats
}

// FeedWaiting returns how many resource servers wait at the feed now.
func (s *Server) FeedWaiting() int { return s.feed.Waiting() }

// TrustAnchors returns, for each active trust bundle, the earliest end of an
// anchor's validity.
func (s *Server) TrustAnchors() map[string]time.Time {
	ends := map[string]time.Time{}
	for _, bundle := range s.trust.Active() {
		ends[bundle.Name()] = bundle.AnchorsUntil()
	}
	return ends
}
