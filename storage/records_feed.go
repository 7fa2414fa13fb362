package storage

import (
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// FeedKind says what a feed entry is about, and thereby what its Subject is.
type FeedKind string

// The kinds of design rule 11.
const (
	FeedClient      FeedKind = "client"      // a client id; the entry carries its least valid generation
	FeedCertificate FeedKind = "certificate" // a thumbprint as Thumbprint.String writes it
	FeedBinding     FeedKind = "binding"     // a client_id, a space and a thumbprint
	FeedToken       FeedKind = "token"       // a jti
	FeedKey         FeedKind = "key"         // a kid
)

// FeedAction says what an entry does to its subject.
type FeedAction string

// A denial ends with its ExpiresAt or with a later entry that lifts it. A client
// is never lifted: what it gets after it was enabled again has the new generation.
const (
	FeedDeny FeedAction = "deny"
	FeedLift FeedAction = "lift"
)

// FeedEntry is one thing resource servers are told. Of several entries of the
// same kind and subject the newest counts.
type FeedEntry struct {
	Seq           int64 // given by AppendFeed: 1, 2, …
	Kind          FeedKind
	Action        FeedAction
	Subject       string
	MinGeneration int64 // FeedClient only: tokens of a lower generation are dead

	// ClientID and Generation of a FeedToken say whose token it is, and its generation:
	// once the client's is higher, the entry says nothing any more. Both or neither.
	ClientID   string
	Generation int64

	CreatedAt time.Time
	ExpiresAt time.Time // required; nobody needs the entry from here on
}

// Feed is what a resource server has to be told, read in one piece: Entries are
// complete up to Seq.
type Feed struct {
	Seq     int64 // of the newest entry there ever was; 0 when there was none
	Full    bool  // Entries are all that live, and replace what the resource server knows
	Entries []FeedEntry
}

// CertificateDenial keeps a certificate from authenticating a client. It stays
// when the feed has forgotten the thumbprint: a feed entry lives as long as the
// tokens it can touch, a certificate for years.
type CertificateDenial struct {
	Thumbprint thumbprint.Thumbprint // primary key
	ClientID   string                // whose it is; empty when unknown
	Reason     string                // the administrator's words
	CreatedAt  time.Time
	ExpiresAt  time.Time // the certificate's notAfter; zero when unknown
	LiftedAt   time.Time // zero while it holds
}
