package enroll

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// Bounds of what a link may fix.
const (
	DefaultLifetime = 90 * 24 * time.Hour  // of a certificate
	MaxLifetime     = 398 * 24 * time.Hour // seeds A12
	MinLifetime     = time.Hour
	DefaultValidity = 24 * time.Hour // of a link
	MaxValidity     = 30 * 24 * time.Hour
	MinValidity     = time.Minute
)

// secretSize is the size of a secret in bytes.
const secretSize = 32

// Link is a new enrolment, with its secret while there still is one.
type Link struct {
	Enrollment storage.Enrollment
	secret     string
}

// URL is where the client is sent. The fragment holds the secret.
func (l *Link) URL(issuer string) string { return issuer + oauth.PathEnroll + "#" + l.secret }

var (
	// ErrNotPKI: only a tls_client_auth client has a certificate that somebody signs.
	ErrNotPKI = errors.New("enroll: the client is not registered for tls_client_auth")
	// ErrNoSAN: the client is matched by what a link cannot fix.
	ErrNoSAN = errors.New("enroll: the client is matched by something else than a DNS name or URI; only those are held to the signing CA's name constraints")
)

// What is wrong with the times that a link is to have.
var (
	ErrLifetime = fmt.Errorf("enroll: the certificate's lifetime must be whole seconds, from %s to %s", MinLifetime, MaxLifetime)
	ErrValidity = fmt.Errorf("enroll: the link's validity must be from %s to %s", MinValidity, MaxValidity)
)

// NewLink makes a link for a client, good until now plus validity, for a certificate
// that lives for lifetime. Nothing is stored. The error
// is one of ErrNotPKI, ErrNoSAN, ErrLifetime and ErrValidity.
func NewLink(client storage.Client, lifetime, validity time.Duration, by string, now time.Time) (*Link, error) {
	switch {
	case client.Method != storage.TLSClientAuth:
		return nil, ErrNotPKI
	case !nameable(client.Matcher.Kind):
		return nil, ErrNoSAN
	case lifetime < MinLifetime || lifetime > MaxLifetime || lifetime%time.Second != 0:
		return nil, ErrLifetime
	case validity < MinValidity || validity > MaxValidity:
		return nil, ErrValidity
	}
	var raw [secretSize]byte
	var id [10]byte
	rand.Read(raw[:]) // never fails: crypto/rand crashes the program instead
	rand.Read(id[:])
	secret := base64.RawURLEncoding.EncodeToString(raw[:])
	return &Link{secret: secret, Enrollment: storage.Enrollment{
		ID: hex.EncodeToString(id[:]), SecretHash: hash(secret), ClientID: client.ID, TrustBundle: client.TrustBundle,
		SANKind: client.Matcher.Kind, SAN: client.Matcher.Value, Lifetime: lifetime,
		CreatedBy: by, CreatedAt: now, ExpiresAt: now.Add(validity),
	}}, nil
}

// nameable reports whether a matcher can be fixed by a link.
func nameable(kind storage.MatcherKind) bool { return kind == storage.SANDNS || kind == storage.SANURI }

// hash is how a secret is stored. It has 256 random bits, so there is no need for a
// slow one.
func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// wellFormed reports whether text could be a secret, so that nothing else costs a
// look into the database.
func wellFormed(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == secretSize
}
