package revoke

import (
	"context"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
	"github.com/certbound/certbound/storage"
)

// signed is the feed for a follower that is at after.
func (f *Feed) signed(ctx context.Context, after int64) (string, *oauth.Error) {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	now := f.Clock().UTC().Truncate(time.Second)
	stored, err := f.Records.FeedEntries(ctx, after, now)
	if err != nil {
		return "", oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	feed := build(stored, after)
	feed.Issuer, feed.IssuedAt, feed.Expiry = f.Issuer, now, now.Add(revokefeed.Lifetime)
	payload, err := feed.Marshal()
	if err != nil {
		return "", oauth.RefuseFor(decision.InternalError, err)
	}
	compact, err := f.Signer.Sign(payload, revokefeed.Type)
	if err != nil {
		return "", oauth.RefuseFor(decision.SigningUnavailable, err)
	}
	return compact, nil
}

// build makes the feed of what the database holds. Whether it is full is decided
// by [revokefeed.Build], which knows what followers can do without: the database
// calls its entries full more often, and then they are more than a delta needs.
func build(stored storage.Feed, after int64) *revokefeed.Feed {
	entries := make([]revokefeed.Entry, len(stored.Entries))
	for i := range stored.Entries {
		e := &stored.Entries[i]
		entries[i] = revokefeed.Entry{
			Kind: string(e.Kind), Subject: e.Subject, MinGeneration: e.MinGeneration,
			Action: string(e.Action), Seq: e.Seq, Expires: e.ExpiresAt,
		}
	}
	return revokefeed.Build(entries, after, stored.Seq)
}
