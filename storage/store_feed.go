package storage

import (
	"context"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// FeedReader reads what resource servers must refuse (design rules 11 and 12).
type FeedReader interface {
	// FeedSeq returns the number of the newest entry there ever was, 0 when there
	// was none. It is cheap: asked twice a second for long polls.
	FeedSeq(ctx context.Context) (int64, error)
	// FeedEntries returns the first limit of the entries that live (now is before
	// their ExpiresAt) and have a Seq above after, in order, with the Seq of the
	// newest there is, all of one moment. When there are limit of them, there may be
	// more behind the last. A subject may occur more than once: applied in order, the
	// newest entry wins. The answer is Full, from the first entry that lives, when
	// after is not positive, or when there never was an entry after (another database,
	// or one restored from a backup).
	FeedEntries(ctx context.Context, after int64, now time.Time, limit int) (Feed, error)
	// Denied reports whether a token or key, or a certificate's tokens, are denied
	// now: the newest entry of the subject lives and denies. A client is judged by
	// its generation; to ask for one is an error.
	Denied(ctx context.Context, kind FeedKind, subject string, now time.Time) (bool, error)
	// TokenDenials counts the live entries that deny single tokens of a client, up to
	// limit.
	TokenDenials(ctx context.Context, clientID string, now time.Time, limit int) (int, error)
}

// FeedWriter writes the feed.
type FeedWriter interface {
	// AppendFeed inserts entries, numbers them from the one counter and returns the
	// number of the last. The counter is held until the transaction ends, so entries
	// become visible in the order of their numbers, and a rollback leaves no gap.
	// Nothing is undone by what comes later: an entry is kept as long as every
	// earlier one of its subject, and a client's MinGeneration is never lower than
	// in an earlier one. No entries changes nothing and returns FeedSeq.
	AppendFeed(ctx context.Context, entries []FeedEntry) (int64, error)
	// DropTokenDenials deletes the entries for single tokens of a client whose
	// generation is below the given one, which the feed says otherwise: the caller has
	// appended the client's entry.
	DropTokenDenials(ctx context.Context, clientID string, below int64) error
	// PruneFeed deletes the entries that no longer live and returns how many.
	PruneFeed(ctx context.Context, now time.Time) (int64, error)
}

// DenialReader reads which certificates may no longer authenticate.
type DenialReader interface {
	// CertificateDenied reports whether a certificate is denied and not lifted. Each
	// authentication asks.
	CertificateDenied(ctx context.Context, t thumbprint.Thumbprint) (bool, error)
	// CertificateDenial returns the last denial of a certificate, lifted or not, or
	// ErrNotFound.
	CertificateDenial(ctx context.Context, t thumbprint.Thumbprint) (CertificateDenial, error)
}

// DenialWriter writes which certificates may no longer authenticate. Who does so
// tells resource servers by a feed entry in the same transaction.
type DenialWriter interface {
	// DenyCertificate denies a certificate, known to us or not. A denial that holds
	// already keeps its CreatedAt and Reason and learns a ClientID or ExpiresAt it
	// did not have; one that was lifted begins anew. ErrConflict if ClientID names
	// no client.
	DenyCertificate(ctx context.Context, d CertificateDenial) error
	// LiftCertificate ends a denial; ErrNotFound if none holds.
	LiftCertificate(ctx context.Context, t thumbprint.Thumbprint, now time.Time) error
}
