package accesstoken

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/keys/thumbprint"
)

// Type is the typ header of an access token (RFC 9068 §2.1).
const Type = "at+jwt"

// Claims are the claims of an access token.
type Claims struct {
	Issuer   string   // iss
	Subject  string   // sub
	ClientID string   // client_id
	Audience []string // aud: one when written, one or more when read
	ID       string   // jti
	Partner  string   // partner, private; "" when absent

	IssuedAt  time.Time // iat
	Expiry    time.Time // exp
	NotBefore time.Time // nbf; zero when absent

	Scopes []string // scope; nil when absent

	// Thumbprint is cnf's x5t#S256: the certificate the token is bound to.
	Thumbprint thumbprint.Thumbprint

	// Generation is gen, private: the client's generation at the time of issue.
	Generation int64
}

// ErrMalformed means that a token or its claims cannot be read as RFC 9068 and
// this package's stricter rules want.
var ErrMalformed = errors.New("accesstoken: malformed")

// ErrUnbound means that the claims are not bound to a certificate: there is no
// cnf claim, or it confirms by another method only.
var ErrUnbound = errors.New("accesstoken: not bound to a certificate")

// claim is one row of the table: how it is read and how it is written. Both hold
// the value to the same rule. write appends the value as JSON, and nothing to
// leave the claim out.
type claim struct {
	name     string
	required bool // RFC 9068 §2.2
	read     func(c *Claims, raw json.RawMessage) error
	write    func(c *Claims, to []byte) ([]byte, error)
}

// table is every claim of an access token, in the order it is written. Claims
// that are not in it are ignored when read (RFC 7519 §4).
var table = []claim{
	{"iss", true, readText(issuer), writeText(issuer)},
	{"sub", true, readText(subject), writeText(subject)},
	{"client_id", true, readID(clientID), writeID(clientID)},
	{"aud", true, readAudience, writeAudience},
	{"iat", true, readTime(issuedAt), writeTime(issuedAt)},
	{"nbf", false, readTime(notBefore), writeTime(notBefore)},
	{"exp", true, readTime(expiry), writeTime(expiry)},
	{"jti", true, readText(id), writeText(id)},
	{"scope", false, readScopes, writeScopes},
	{confirmationName, false, readConfirmation, writeConfirmation},
	{"partner", false, readID(partner), writeID(partner)},
	{"gen", false, readGeneration, writeGeneration},
}

func issuer(c *Claims) *string       { return &c.Issuer }
func subject(c *Claims) *string      { return &c.Subject }
func clientID(c *Claims) *string     { return &c.ClientID }
func id(c *Claims) *string           { return &c.ID }
func partner(c *Claims) *string      { return &c.Partner }
func issuedAt(c *Claims) *time.Time  { return &c.IssuedAt }
func notBefore(c *Claims) *time.Time { return &c.NotBefore }
func expiry(c *Claims) *time.Time    { return &c.Expiry }

// Parse reads the payload of an access token. The error wraps [ErrUnbound] when
// the token is not bound to a certificate, [ErrMalformed] for anything else.
func Parse(payload []byte) (*Claims, error) {
	c, err := InsecureParseUnbound(payload)
	if err != nil {
		return nil, err
	}
	if c.Thumbprint.IsZero() {
		return nil, fmt.Errorf("%w: there is no cnf claim", ErrUnbound)
	}
	return c, nil
}

// InsecureParseUnbound is [Parse] for tokens that may have no cnf claim at all;
// their Thumbprint is zero. It MUST NOT be used to accept tokens where
// certificate-bound ones are expected. A cnf claim that is there is checked as
// Parse does, so that a token confirmed by another method is never taken for a
// free one.
func InsecureParseUnbound(payload []byte) (*Claims, error) {
	members, err := object(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: claims: %w", ErrMalformed, err)
	}
	c := &Claims{}
	for i := range table {
		row := &table[i]
		raw, ok := members[row.name]
		if !ok && row.required {
			return nil, fmt.Errorf("%w: claim %s is missing", ErrMalformed, row.name)
		}
		if !ok {
			continue
		}
		if err := row.read(c, raw); err != nil {
			return nil, claimError(row.name, err)
		}
	}
	return c, nil
}

func claimError(name string, err error) error {
	if errors.Is(err, ErrUnbound) {
		return err
	}
	return fmt.Errorf("%w: claim %s %w", ErrMalformed, name, err)
}
