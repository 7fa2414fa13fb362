package storage

import (
	"context"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// Store is one open database. Reads see committed data. All writes go through
// Update, but for the one that every token waits for.
type Store interface {
	Reader
	AuditCommitter

	// Update runs fn in one serializable transaction and commits when fn returns
	// nil. The database may refuse to commit because of a concurrent writer; fn
	// is then run again, so it must do no I/O of its own and must not keep what
	// it computed from an earlier run. An error of fn rolls back and is returned
	// as it is. When Update returns nil the change is durable.
	Update(ctx context.Context, fn func(Tx) error) error

	// Reclaim gives some of the space that deleted rows have left back to the system,
	// where that is a good part of all, and reports whether it found more to give. What
	// it leaves is used again. One call holds up writes for no longer than a commit.
	Reclaim(ctx context.Context) (more bool, err error)

	// Ping reports whether the database answers.
	Ping(ctx context.Context) error

	// Close releases the database; the Store is unusable afterwards.
	Close() error
}

// Tx is what the function given to Update may do. A Tx reads its own writes.
// After a write method has returned an error the transaction can only be rolled
// back: later writes return that error, and so does Update, even when fn returns
// nil. To create what may be there already, read first.
type Tx interface {
	Reader
	PartnerWriter
	ClientWriter
	CertificateWriter
	EnrollmentWriter
	KeySetWriter
	TrustBundleWriter
	ProposalWriter
	APIWriter
	SigningKeyWriter
	AuditWriter
	FeedWriter
	DenialWriter
	IdempotencyWriter
}

// Reader reads every kind of record.
type Reader interface {
	PartnerReader
	ClientReader
	CertificateReader
	EnrollmentReader
	KeySetReader
	TrustBundleReader
	ProposalReader
	APIReader
	SigningKeyReader
	AuditReader
	FeedReader
	DenialReader
	IdempotencyReader
	RegistrationReader
}

// RegistrationReader tells whether what was read before still holds.
type RegistrationReader interface {
	// RegistrationVersion is raised by every transaction that changes a partner,
	// client, certificate, trust bundle, API, signing key or certificate denial.
	// What was read at a version, read first, is as the database has it for as
	// long as the version is the same.
	RegistrationVersion(ctx context.Context) (int64, error)
}

// PartnerReader reads partners.
type PartnerReader interface {
	// Partner returns one partner, or ErrNotFound.
	Partner(ctx context.Context, id string) (Partner, error)
	// Partners returns at most limit partners whose id comes after the given one, in
	// the order of ids, byte by byte.
	Partners(ctx context.Context, after string, limit int) ([]Partner, error)
}

// PartnerWriter writes partners.
type PartnerWriter interface {
	// CreatePartner inserts p with Version 1; ErrConflict if the id is taken.
	CreatePartner(ctx context.Context, p Partner) error
	// UpdatePartner writes Name, Disabled, LockedAt and LockReason of the record
	// whose Version is p.Version and raises the version; ErrStale or ErrNotFound
	// otherwise.
	UpdatePartner(ctx context.Context, p Partner) error
}

// ClientReader reads clients.
type ClientReader interface {
	// Client returns one client with its scopes and its partner's Disabled flag,
	// or ErrNotFound.
	Client(ctx context.Context, id string) (Client, error)
	// Clients returns at most q.Limit clients that match every member of q, in the
	// order of ids, byte by byte. Each member of q has an index.
	Clients(ctx context.Context, q ClientQuery) ([]Client, error)
	// ClientsMatching returns the clients that are registered with a subject value,
	// whatever their trust bundle, by bundle.
	ClientsMatching(ctx context.Context, kind MatcherKind, canonical string) ([]Client, error)
	// ClientsHolding returns the clients that hold a scope, by id.
	ClientsHolding(ctx context.Context, scope string) ([]Client, error)
}

// ClientQuery selects clients; empty members select all.
type ClientQuery struct {
	PartnerID, TrustBundle, Scope string
	After                         string // ids after this one
	Limit                         int    // at least 1
}

// ClientWriter writes clients.
type ClientWriter interface {
	// CreateClient inserts c with Version 1 and Generation 1. ErrConflict if the
	// id is taken or another client of the same trust bundle has the same
	// canonical matcher value; a partner, bundle name or scope that does not
	// exist is an ErrConflict too. With a JWKSURI its KeySet begins.
	CreateClient(ctx context.Context, c Client) error
	// UpdateClient writes Name, Method, Matcher, TrustBundle, JWKSURI, RegisteredOnly, Scopes, Disabled
	// and Generation of the record whose Version is c.Version and raises the
	// version; ErrStale, ErrNotFound or ErrConflict otherwise. PartnerID never
	// changes. A lower Generation than the stored one is ErrConflict.
	UpdateClient(ctx context.Context, c Client) error
	// RaiseGenerations raises Generation and Version of every client of a partner
	// by one and sets their UpdatedAt. A partner without clients is no error.
	RaiseGenerations(ctx context.Context, partnerID string, updatedAt time.Time) error
	// RaiseGeneration raises Generation and Version of one client by one, sets its
	// UpdatedAt and returns the new generation; ErrNotFound if there is no such
	// client.
	RaiseGeneration(ctx context.Context, clientID string, updatedAt time.Time) (int64, error)
}

// CertificateReader reads client certificates.
type CertificateReader interface {
	// Certificate returns the registered certificate with that thumbprint, or
	// ErrNotFound.
	Certificate(ctx context.Context, t thumbprint.Thumbprint) (Certificate, error)
	// ClientCertificates returns a client's certificates, oldest first; none is
	// an empty slice.
	ClientCertificates(ctx context.Context, clientID string) ([]Certificate, error)
	// ExpiringCertificates returns at most limit certificates that are accepted now and
	// end (NotAfter) after the cursor and not after until, soonest first.
	ExpiringCertificates(ctx context.Context, after CertificateCursor, until time.Time, limit int) ([]Certificate, error)
	// CountExpiringCertificates counts those that end after now and not after until.
	CountExpiringCertificates(ctx context.Context, now, until time.Time) (int64, error)
	// CertificatesInUse returns at most limit certificates of clients that are pinned
	// to a trust bundle, with LastSeen after the cursor, by LastSeen and Thumbprint.
	CertificatesInUse(ctx context.Context, trustBundle string, after SeenCursor, limit int) ([]Certificate, error)
	// ClientsSharing returns, in order, the ids of the clients of a trust bundle that
	// SeeCertificates was told of, since then, with a certificate of another client.
	ClientsSharing(ctx context.Context, trustBundle string, since time.Time) ([]string, error)
	// RetiredCertificates returns at most limit certificates whose RetireAt is not
	// after now and that nobody was told of. It is cheap: asked every second.
	RetiredCertificates(ctx context.Context, now time.Time, limit int) ([]Certificate, error)
}

// CertificateWriter writes client certificates.
type CertificateWriter interface {
	// AddCertificate inserts c; ErrConflict if any client has that thumbprint. What was
	// only seen of the same client, or published by it, is registered by it, and keeps
	// when it was seen.
	AddCertificate(ctx context.Context, c Certificate) error
	// RemoveCertificate deletes a client's certificate; ErrNotFound if the client
	// has none with that thumbprint.
	RemoveCertificate(ctx context.Context, clientID string, t thumbprint.Thumbprint) error
	// RetireCertificate sets RetireAt, zero to take it back; ErrNotFound if the client
	// has no such certificate.
	RetireCertificate(ctx context.Context, clientID string, t thumbprint.Thumbprint, at time.Time) error
	// SeeCertificates notes that certificates were used at their LastSeen. One that is
	// not known is inserted with Source CertificateSeen; one of another client is
	// left alone. It is no part of the registration.
	SeeCertificates(ctx context.Context, seen []Certificate) error
	// ToldRetired notes that resource servers know of a RetireAt that has passed.
	ToldRetired(ctx context.Context, t thumbprint.Thumbprint) error
	// ForgetSeen deletes at most limit certificates that were only seen and ended
	// before, and returns how many. It is no part of the registration.
	ForgetSeen(ctx context.Context, before time.Time, limit int) (int64, error)
}

// CertificateCursor is a place in the order of (NotAfter, Thumbprint).
type CertificateCursor struct {
	NotAfter   time.Time
	Thumbprint thumbprint.Thumbprint
}

// SeenCursor is a place in the order of (LastSeen, Thumbprint).
type SeenCursor struct {
	LastSeen   time.Time
	Thumbprint thumbprint.Thumbprint
}

// KeySetReader reads how it goes with the clients' key sets.
type KeySetReader interface {
	// KeySet returns a client's key set; ErrNotFound if it has no JWKSURI.
	KeySet(ctx context.Context, clientID string) (KeySet, error)
	// DueKeySets returns at most limit key sets that are due at now, those that
	// have been for longest first. It is cheap: asked several times a second.
	DueKeySets(ctx context.Context, now time.Time, limit int) ([]KeySet, error)
	// FailingKeySets returns at most limit key sets with Failures, by client.
	FailingKeySets(ctx context.Context, limit int) ([]KeySet, error)
}

// KeySetWriter writes how it goes with the clients' key sets.
type KeySetWriter interface {
	// UpdateKeySet writes all but ClientID and URI. ErrNotFound if the client has no
	// JWKSURI, or another one.
	UpdateKeySet(ctx context.Context, k KeySet) error
}

// TrustBundleReader reads trust bundles.
type TrustBundleReader interface {
	// TrustBundles returns every version of every bundle, by name and version.
	TrustBundles(ctx context.Context) ([]TrustBundle, error)
	// TrustBundleStates returns Name, Version, Status and ContentHash of every
	// version, in the same order. It is what to ask often.
	TrustBundleStates(ctx context.Context) ([]TrustBundle, error)
	// TrustBundleVersions returns every version of one bundle, the first one first;
	// none is an empty slice.
	TrustBundleVersions(ctx context.Context, name string) ([]TrustBundle, error)
	// TrustBundlesAfter returns one version of each of at most limit bundles whose
	// names come after the given one, in the order of names, byte by byte: the active
	// version, or the last one where none is active. It is for lists: the certificates
	// are left out.
	TrustBundlesAfter(ctx context.Context, name string, limit int) ([]TrustBundle, error)
}

// TrustBundleWriter writes trust bundles.
type TrustBundleWriter interface {
	// PutTrustBundle inserts b as the next version of its name, makes it active
	// and retires the version that was. It returns the version given.
	PutTrustBundle(ctx context.Context, b TrustBundle) (int64, error)
	// RetireTrustBundle retires the active version of a name, so that none is in
	// force; ErrNotFound if there is none.
	RetireTrustBundle(ctx context.Context, name string) error
}

// APIReader reads APIs.
type APIReader interface {
	// API returns one API, or ErrNotFound.
	API(ctx context.Context, id string) (API, error)
	// APIs returns at most limit APIs whose id comes after the given one, in the
	// order of ids, byte by byte.
	APIs(ctx context.Context, after string, limit int) ([]API, error)
	// APIByAudience returns the API with exactly that audience, or ErrNotFound.
	APIByAudience(ctx context.Context, audience string) (API, error)
	// APIsOwningScopes returns the APIs that own at least one of the scopes, by
	// id. Scopes nobody owns are passed over.
	APIsOwningScopes(ctx context.Context, scopes []string) ([]API, error)
	// SigningAlgorithms returns the distinct SigningAlg values of all APIs that are
	// not empty, sorted.
	SigningAlgorithms(ctx context.Context) ([]string, error)
	// IsResourceServer reports whether at least one API names the client among its
	// resource servers.
	IsResourceServer(ctx context.Context, clientID string) (bool, error)
}

// APIWriter writes APIs.
type APIWriter interface {
	// CreateAPI inserts a with Version 1; ErrConflict if its id or audience is
	// taken, another API owns one of its scopes, or a resource server is not a
	// client.
	CreateAPI(ctx context.Context, a API) error
	// UpdateAPI writes Audience, Scopes, TokenLifetime, SigningAlg and
	// ResourceServers of the record whose Version is a.Version and raises the version; ErrStale,
	// ErrNotFound or ErrConflict otherwise. A scope that a client still holds
	// cannot be taken away: ErrConflict.
	UpdateAPI(ctx context.Context, a API) error
	// DeleteAPI deletes the API whose Version is version; ErrStale or ErrNotFound
	// otherwise, and ErrConflict while a client holds one of its scopes.
	DeleteAPI(ctx context.Context, id string, version int64) error
}

// SigningKeyReader reads signing keys.
type SigningKeyReader interface {
	// SigningKeys returns every key, oldest first.
	SigningKeys(ctx context.Context) ([]SigningKey, error)
}

// SigningKeyWriter writes signing keys.
type SigningKeyWriter interface {
	// AddSigningKey inserts k; ErrConflict if the kid is known, or if k is
	// active, or next, and its purpose and algorithm already have such a key.
	AddSigningKey(ctx context.Context, k SigningKey) error
	// UpdateSigningKey writes Status, KEKID, Sealed and the times but CreatedAt;
	// ErrNotFound if the kid is not known, ErrConflict as for AddSigningKey.
	UpdateSigningKey(ctx context.Context, k SigningKey) error
	// RemoveSigningKey deletes a key; ErrNotFound if the kid is not known.
	RemoveSigningKey(ctx context.Context, kid string) error
}
