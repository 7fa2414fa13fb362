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
	stored, err := f.Records.FeedEntries(ctx, after, now, maxRead)
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

// maxRead is how many entries are read for one answer. It is about what one can
// hold. Without a bound each answer to a follower that catches up would read all
// there is, and a client that revokes its own tokens as fast as it can would keep
// every resource server that starts from being ready.
const maxRead = 20_000

// build makes the feed of what the database holds, or of its beginning: then it is
// complete up to the last entry that was read, and Head says that there is more.
func build(stored storage.Feed, after int64) *revokefeed.Feed {
	entries := make([]revokefeed.Entry, len(stored.Entries))
	for i := range stored.Entries {
		e := &stored.Entries[i]
		entries[i] = revokefeed.Entry{
			Kind: string(e.Kind), Subject: e.Subject, MinGeneration: e.MinGeneration,
			Client: e.ClientID, Generation: e.Generation, Action: string(e.Action), Seq: e.Seq, Expires: e.ExpiresAt,
		}
	}
	read := stored.Seq
	if len(entries) == maxRead {
		read = entries[maxRead-1].Seq
	}
	feed := revokefeed.Build(entries, after, read)
	feed.Head = stored.Seq
	return feed
}
