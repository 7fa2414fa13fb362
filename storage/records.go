package storage

import (
	"crypto/sha256"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// Partner is an organisation that calls our APIs. Its ID is the one stable name
// in policy, logs and tokens; it is never reused.
type Partner struct {
	ID       string // at most 128 characters of [A-Za-z0-9._-]
	Name     string // for people, may change
	Disabled bool   // no client of a disabled partner is served
	// LockedAt and LockReason say since when and why the partner is locked out;
	// zero and empty when it is not. It is kept apart from Disabled, so that the end
	// of a lockout brings back exactly what was.
	LockedAt   time.Time
	LockReason string
	Version    int64 // starts at 1, raised by each write
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// AuthMethod is a token_endpoint_auth_method of RFC 8705 §2.
type AuthMethod string

// The two methods of RFC 8705.
const (
	TLSClientAuth           AuthMethod = "tls_client_auth"             // §2.1
	SelfSignedTLSClientAuth AuthMethod = "self_signed_tls_client_auth" // §2.2
)

// MatcherKind is the name of the one registered subject value of a
// tls_client_auth client, RFC 8705 §2.1.2 without the "tls_client_auth_" prefix.
type MatcherKind string

// The five subject values of RFC 8705 §2.1.2.
const (
	SubjectDN MatcherKind = "subject_dn"
	SANDNS    MatcherKind = "san_dns"
	SANURI    MatcherKind = "san_uri"
	SANIP     MatcherKind = "san_ip"
	SANEmail  MatcherKind = "san_email"
)

// Matcher is a registered subject value. Canonical is what uniqueness within a
// trust bundle is judged by.
type Matcher struct {
	Kind      MatcherKind
	Value     string // as registered
	Canonical string // computed by authz/clientauth
}

// Client is an OAuth client of a partner.
type Client struct {
	ID              string // client_id
	PartnerID       string
	PartnerDisabled bool // the partner is disabled or locked out; read with the client, written through the partner
	Name            string
	Method          AuthMethod
	Matcher         Matcher  // tls_client_auth only
	TrustBundle     string   // name of the bundle it is pinned to; tls_client_auth only
	JWKSURI         string   // where it publishes its certificates; self_signed_tls_client_auth only
	Scopes          []string // sorted; each is owned by one API
	RegisteredOnly  bool     // a certificate must be on record before it is accepted; tls_client_auth only
	Disabled        bool
	Generation      int64 // design rule 11: tokens of a lower generation are dead; starts at 1
	Version         int64
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Certificate is a client certificate known to us. A self-signed client is
// authenticated by equality with one of its registered certificates.
type Certificate struct {
	Thumbprint thumbprint.Thumbprint // primary key: one certificate belongs to one client
	ClientID   string
	DER        []byte
	NotBefore  time.Time
	NotAfter   time.Time
	CreatedAt  time.Time
	Source     CertificateSource
	RetireAt   time.Time // accepted until then; zero: until NotAfter
	FirstSeen  time.Time // when it first got a token; zero when never
	LastSeen   time.Time // a while ago at the most: it is written now and then
	Presented  []byte    // DER, one after the other: what came with it then, where its trust bundle may need it
}

// CertificateSource is how a certificate came to be known.
type CertificateSource string

// The sources. Being seen gives a certificate no right: it is a note of what the
// client's trust bundle and matcher accepted.
const (
	CertificateRegistered CertificateSource = ""     // by an administrator
	CertificateSeen       CertificateSource = "seen" // a tls_client_auth client showed it
	// CertificateEnrolled was signed here for an enrolment link, with names that whoever
	// registered the client chose. Its record is what keeps it from passing for another
	// client that trusts the same authority, so it goes only once it is denied.
	CertificateEnrolled  CertificateSource = "enrolled"
	CertificatePublished CertificateSource = "published" // at its client's jwks_uri: that client's word, which takes it from nobody
)

// Registered reports whether somebody decided that the certificate is the client's.
func (c *Certificate) Registered() bool { return c.Source != CertificateSeen }

// Credential reports whether a self_signed_tls_client_auth client authenticates with
// the certificate (RFC 8705 §2.2). What was seen or signed here when the client was
// registered for tls_client_auth is no credential of that method.
func (c *Certificate) Credential() bool {
	return c.Source == CertificateRegistered || c.Source == CertificatePublished
}

// KeySet is how it went with a client's JWKSURI. It begins, due at once, when the
// client gets the address, and ends when the client loses it. What was read last
// are the client's certificates.
type KeySet struct {
	ClientID string
	URI      string    // of the client
	DueAt    time.Time // when it is to be read; of one that is being read, when to give up on the reader
	BegunAt  time.Time // when it was last tried; zero when never
	ReadAt   time.Time // when it was last read well; zero when never
	Failures int64     // since then
	Problem  string    // what was wrong the last time; with no Failures, what was left out
}

// TrustBundle is one version of a named set of trust anchors. Rows are never
// changed but for Status; a new content is a new Version of the same Name.
type TrustBundle struct {
	Name             string
	Version          int64 // 1, 2, … within Name
	Status           TrustBundleStatus
	ContentHash      string // hex SHA-256 over the PEM fields
	AnchorsPEM       string // required: the CAs that are trusted
	IntermediatesPEM string // helpers for path building
	IssuersPEM       string // when not empty, the leaf must be signed by one of these
	MaxDepth         int    // intermediates allowed between leaf and anchor; 0 means the default
	AllowPublicRoots bool   // an administrator insisted on anchors the public trusts
	CreatedBy        string // client id of the administrator; empty when it came with a seed
	CreatedAt        time.Time
}

// TrustBundleStatus is the life of one version of a bundle.
type TrustBundleStatus string

// At most one version of a name is active. Certificates that only a retired
// version would accept are refused by their own reason.
const (
	BundleActive  TrustBundleStatus = "active"
	BundleRetired TrustBundleStatus = "retired"
)

// API is a protected resource: one audience, and the scopes only it owns.
type API struct {
	ID              string
	Audience        string        // unique; the aud claim and the resource parameter (RFC 8707)
	Scopes          []string      // sorted; a scope is owned by at most one API
	TokenLifetime   time.Duration // 0 means the server's default; whole seconds, at most one hour
	SigningAlg      string        // JWS alg of this audience's tokens; "" means the server's default
	ResourceServers []string      // client ids that may introspect this audience's tokens and read the feed
	Version         int64
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// SigningKey is a signing key at rest. Sealed is an envelope made by
// package keys; nothing here can open it.
type SigningKey struct {
	KID         string // RFC 7638 thumbprint
	Purpose     string // what the key may sign, "access_token"
	Algorithm   string // JWS alg, "ES256"
	Status      string // "next", "active", "retired", "revoked"
	PublicJWK   string // the public key as JWK JSON
	KEKID       string // the key-encryption key Sealed is wrapped with
	Sealed      []byte
	CreatedAt   time.Time
	DueAt       time.Time // of a next key: when it is to be active because somebody asked; else zero
	ActivatedAt time.Time // zero until active
	RetiredAt   time.Time // zero until retired
	ExpiresAt   time.Time // when a retired key leaves the JWKS; zero until retired
	RevokedAt   time.Time // zero until revoked
}

// IdempotentAnswer is the answer to a POST that was sent with an Idempotency-Key,
// kept so that the same request gets it again.
type IdempotentAnswer struct {
	ClientID    string // who sent it; keys of different callers have nothing to do with each other
	Key         string // 1 to 255 characters
	RequestHash [sha256.Size]byte
	Status      int
	Response    []byte // not empty; what it holds is the caller's business
	CreatedAt   time.Time
	ExpiresAt   time.Time
}
