package revoke

import (
	"context"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/issued"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// DefaultMaxSingle is how many tokens of one client are denied one by one at a time.
// Resource servers carry each of them until it would have ended; the next one ends
// all tokens that the client has, which takes a single entry.
const DefaultMaxSingle = 10_000

// deny commits the feed's entry together with the event. A token that is denied
// already, or of a generation that is over, stays so: another entry would say
// nothing, and anybody who holds a token could fill the feed with it.
func (e *Endpoint) deny(ctx context.Context, token *issued.Token, event audit.Event) error {
	now := e.Clock().UTC().Truncate(time.Second)
	return e.Store.Update(ctx, func(tx storage.Tx) error {
		client, err := tx.Client(ctx, token.ClientID)
		if err != nil || token.Generation < client.Generation {
			return err
		}
		denied, err := tx.Denied(ctx, storage.FeedToken, token.ID, now)
		if err != nil || denied {
			return err
		}
		single, err := tx.TokenDenials(ctx, token.ClientID, now, e.MaxSingle)
		if err != nil {
			return err
		}
		if single >= e.MaxSingle {
			return e.denyAll(ctx, tx, client.ID, now, event)
		}
		_, err = tx.AppendFeed(ctx, []storage.FeedEntry{{
			Kind: storage.FeedToken, Action: storage.FeedDeny, Subject: token.ID,
			ClientID: token.ClientID, Generation: token.Generation,
			CreatedAt: now, ExpiresAt: token.Expiry.Add(kept),
		}})
		if err != nil {
			return err
		}
		return e.Audit.Append(ctx, tx, event)
	})
}

// denyAll ends every token that the client has been issued, this one among them,
// and takes the entries back that say so of single ones. The client asked for that
// of as many as MaxSingle, and gets new tokens at once.
func (e *Endpoint) denyAll(ctx context.Context, tx storage.Tx, clientID string, now time.Time, event audit.Event) error {
	generation, err := tx.RaiseGeneration(ctx, clientID, now)
	if err != nil {
		return err
	}
	_, err = tx.AppendFeed(ctx, []storage.FeedEntry{{
		Kind: storage.FeedClient, Action: storage.FeedDeny, Subject: clientID, MinGeneration: generation,
		CreatedAt: now, ExpiresAt: now.Add(oauth.MaxTokenLifetime + kept),
	}})
	if err != nil {
		return err
	}
	if err := tx.DropTokenDenials(ctx, clientID, generation); err != nil {
		return err
	}
	all := event
	all.Kind = audit.TokensRevoked
	return e.Audit.Append(ctx, tx, event, all)
}
