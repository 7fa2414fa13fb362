package orphans

import (
	"context"
	"crypto/x509"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/sightings"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

const (
	// feedLife is how long resource servers are told: until the last token has expired,
	// plus 60 s.
	feedLife = oauth.MaxTokenLifetime + time.Minute
	// inUse is how long after it was last noted a certificate may have live tokens. The
	// note may be coarse, and a moment late.
	inUse = feedLife + sightings.Behind

	// maxJudged bounds the certificates that are judged one by one, which takes about a
	// second of a core for ten thousand; the database waits for it. The tokens of all
	// others are ended: their clients get new ones.
	maxJudged = 20_000
	pageSize  = 1000
)

// Ended says whose tokens have ended.
type Ended struct {
	Clients  []string // sorted
	Unjudged int      // certificates that were too many to be looked at
}

// end raises the generation of every client of a bundle that may hold tokens by a
// certificate which the bundle does not accept. No bundle accepts none.
func end(ctx context.Context, tx storage.Tx, name string, bundle *trust.Bundle, now time.Time) (Ended, error) {
	after := storage.SeenCursor{LastSeen: now.Add(-inUse)}
	refused, left, unjudged := map[string]bool{}, maxJudged, 0
	// A certificate is on record for one client. Another one that uses it cannot be
	// judged by it, so its tokens end; publishing a certificate shields nobody's.
	sharing, err := tx.ClientsSharing(ctx, name, after.LastSeen)
	if err != nil {
		return Ended{}, err
	}
	for _, id := range sharing {
		refused[id] = true
	}
	for {
		page, err := tx.CertificatesInUse(ctx, name, after, pageSize)
		if err != nil {
			return Ended{}, err
		}
		judged := bundle
		if bundle != nil && left <= 0 {
			judged, unjudged = nil, unjudged+len(page)
		}
		left -= len(page)
		for i, ok := range accepted(judged, page, now) {
			if !ok {
				refused[page[i].ClientID] = true
			}
		}
		if len(page) < pageSize {
			clients, err := raise(ctx, tx, refused, now)
			return Ended{clients, unjudged}, err
		}
		last := &page[len(page)-1]
		after = storage.SeenCursor{LastSeen: last.LastSeen, Thumbprint: last.Thumbprint}
	}
}

// accepted judges certificates on all processors: this is nearly all signature checks.
func accepted(bundle *trust.Bundle, all []storage.Certificate, now time.Time) []bool {
	verdicts := make([]bool, len(all))
	if bundle == nil {
		return verdicts
	}
	var work sync.WaitGroup
	share := len(all)/runtime.GOMAXPROCS(0) + 1
	for from := 0; from < len(all); from += share {
		work.Go(func() {
			for i := from; i < min(from+share, len(all)); i++ {
				verdicts[i] = accepts(bundle, &all[i], now)
			}
		})
	}
	work.Wait()
	return verdicts
}

// accepts reports whether the bundle accepts a certificate with what came along when
// it was last seen. What cannot be read is accepted by nobody.
func accepts(bundle *trust.Bundle, c *storage.Certificate, now time.Time) bool {
	leaf, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return false
	}
	presented, err := x509.ParseCertificates(c.Presented)
	if err != nil {
		presented = nil
	}
	return bundle.Verify(leaf, presented, now) == nil
}

// raise ends all tokens of clients, and tells resource servers.
func raise(ctx context.Context, tx storage.Tx, clients map[string]bool, now time.Time) ([]string, error) {
	ids := make([]string, 0, len(clients))
	for id := range clients {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	entries := make([]storage.FeedEntry, len(ids))
	for i, id := range ids {
		generation, err := tx.RaiseGeneration(ctx, id, now)
		if err != nil {
			return nil, err
		}
		entries[i] = storage.FeedEntry{
			Kind: storage.FeedClient, Action: storage.FeedDeny, Subject: id, MinGeneration: generation,
			CreatedAt: now, ExpiresAt: now.Add(feedLife),
		}
	}
	_, err := tx.AppendFeed(ctx, entries)
	return ids, err
}
