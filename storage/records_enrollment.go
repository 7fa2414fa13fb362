package storage

import (
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// Enrollment lets whoever holds its secret have one certificate signed for one
// client. All that the certificate says is fixed here.
type Enrollment struct {
	ID          string
	SecretHash  [32]byte // SHA-256 of the secret, which is not kept
	ClientID    string
	TrustBundle string
	SANKind     MatcherKind   // SANDNS or SANURI
	SAN         string        // the one subject alternative name
	Lifetime    time.Duration // of the certificate, whole seconds
	CreatedBy   string        // the administrator's client id
	CreatedAt   time.Time
	ExpiresAt   time.Time             // of the link
	UsedAt      time.Time             // zero until then
	Thumbprint  thumbprint.Thumbprint // of the certificate, once it is used
}

// EnrollmentIssuer is the intermediate that signs for a trust bundle's links. Its
// key is an envelope made by package keys; nothing here can open it.
type EnrollmentIssuer struct {
	TrustBundle string // primary key
	ChainPEM    string // the intermediate, then what leads on to the anchor
	KEKID       string
	Sealed      []byte
	CreatedAt   time.Time
}
