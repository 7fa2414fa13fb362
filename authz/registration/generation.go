package registration

import (
	"context"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// FeedLife is how long resource servers are told of something: until the last
// token it can touch has expired, plus 60 s (design rule 11).
const FeedLife = oauth.MaxTokenLifetime + time.Minute

// DenyGeneration tells resource servers the least generation of a client that is
// valid.
func DenyGeneration(ctx context.Context, tx storage.Tx, id string, least int64, now time.Time) error {
	_, err := tx.AppendFeed(ctx, []storage.FeedEntry{deniedGeneration(id, least, now)})
	return err
}

func deniedGeneration(id string, least int64, now time.Time) storage.FeedEntry {
	return storage.FeedEntry{
		Kind: storage.FeedClient, Action: storage.FeedDeny, Subject: id, MinGeneration: least,
		CreatedAt: now, ExpiresAt: now.Add(FeedLife),
	}
}

// EndTokens ends the tokens of every client of a partner, and tells resource
// servers, a page of clients at a time.
func EndTokens(ctx context.Context, tx storage.Tx, partnerID string, now time.Time) error {
	if err := tx.RaiseGenerations(ctx, partnerID, now); err != nil {
		return err
	}
	const page = 1000
	for q := (storage.ClientQuery{PartnerID: partnerID, Limit: page}); ; {
		clients, err := tx.Clients(ctx, q)
		if err != nil {
			return err
		}
		entries := make([]storage.FeedEntry, len(clients))
		for i := range clients {
			q.After, entries[i] = clients[i].ID, deniedGeneration(clients[i].ID, clients[i].Generation, now)
		}
		if _, err := tx.AppendFeed(ctx, entries); err != nil {
			return err
		}
		if len(clients) < page {
			return nil
		}
	}
}
