package resource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/jwks"
)

// Config says which tokens a [Verifier] accepts.
type Config struct {
	// Issuer is the authorization server's issuer identifier, an https URL.
	// Required; a token's iss must equal it octet for octet.
	Issuer string

	// Audience is the name of this API in tokens. Required; a token's aud must
	// be or contain exactly this string.
	Audience string

	// Keys supplies the issuer's public keys. The default fetches the JWK Set
	// that the issuer's RFC 8414 metadata points to, see [jwks.Remote].
	Keys KeySource

	// HTTPClient fetches metadata and keys when Keys is nil. The default trusts
	// the system's roots. Redirects are never followed and time is bounded,
	// whatever the client says.
	HTTPClient *http.Client

	// Revocations is asked about every token whose signature is good: normally a
	// follower of the issuer's feed, package revokefeed. Without one a token lives
	// until it expires, whatever its issuer has revoked.
	Revocations Revocations

	// InsecureServeStale serves tokens while Revocations cannot say what has been
	// revoked lately, or, before its first answer, ever. It MUST NOT be set where
	// a revoked token must not be served: whoever can keep this server from its
	// issuer then undoes every revocation that it has not heard of. What it has
	// heard of stays refused.
	InsecureServeStale bool

	// Algorithms is the list of accepted JWS algorithms: any of ES256 ES384
	// ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA. The default is ES256 and
	// RS256, which RFC 9068 §2.1 asks for.
	Algorithms []string

	// Leeway is how far the issuer's clock may be ahead of ours when iat and nbf
	// are compared. 0 means the default of 10 s, a negative value such as
	// [NoLeeway] means none, and more than 30 s is refused. exp has no leeway.
	Leeway time.Duration

	// Clock is the current time; default time.Now.
	Clock func() time.Time

	// Logger gets one line per decision of the middleware; default
	// slog.Default().
	Logger *slog.Logger

	// Realm is the realm of the challenges; default the audience. Printable
	// ASCII.
	Realm string

	// InsecureAllowUnbound also accepts tokens that have no cnf claim at all,
	// from anybody who holds them. It MUST NOT be set where certificate-bound
	// tokens are expected: a token stolen before it was bound, or issued to a
	// client that is not bound, is then worth as much as any. Tokens that do
	// have a cnf claim are checked as always.
	InsecureAllowUnbound bool
}

// KeySource supplies the issuer's public keys.
type KeySource interface {
	// Keys returns the keys that carry kid. None and no error means that the
	// issuer publishes no such key; an error means that its keys are not known.
	Keys(ctx context.Context, kid string) ([]jose.JSONWebKey, error)
}

// NoLeeway as Config.Leeway compares iat and nbf to the second.
const NoLeeway time.Duration = -1

// Bounds of Config.Leeway.
const (
	DefaultLeeway = 10 * time.Second
	MaxLeeway     = 30 * time.Second
)

// Verifier decides about API requests. Make one with [New]; it is safe for use
// by many goroutines.
type Verifier struct {
	issuer, audience, realm string

	keys         KeySource
	revocations  Revocations
	algorithms   []jose.SignatureAlgorithm
	leeway       time.Duration
	clock        func() time.Time
	logger       *slog.Logger
	allowUnbound bool
	serveStale   bool
}

// New returns a Verifier, or an error that names every field that is wrong:
// there is no default for whom to believe.
func New(c Config) (*Verifier, error) {
	algorithms, algorithmsErr := parseAlgorithms(c.Algorithms)
	leeway, leewayErr := parseLeeway(c.Leeway)
	realm := c.Realm
	if realm == "" {
		realm = c.Audience
	}
	if err := errors.Join(checkIssuer(c.Issuer), checkAudience(c.Audience), checkRealm(realm), algorithmsErr, leewayErr); err != nil {
		return nil, err
	}
	v := &Verifier{
		issuer: c.Issuer, audience: c.Audience, realm: realm,
		keys: c.Keys, algorithms: algorithms, leeway: leeway,
		clock: c.Clock, logger: c.Logger, allowUnbound: c.InsecureAllowUnbound,
		revocations: c.Revocations, serveStale: c.InsecureServeStale,
	}
	if v.clock == nil {
		v.clock = time.Now
	}
	if v.logger == nil {
		v.logger = slog.Default()
	}
	if v.keys == nil {
		remote, err := jwks.New(jwks.Config{Issuer: c.Issuer, HTTPClient: c.HTTPClient, Clock: v.clock, Logger: v.logger})
		if err != nil {
			return nil, fmt.Errorf("resource: Keys: %w", err)
		}
		v.keys = remote
	}
	return v, nil
}

// checkIssuer holds the issuer to RFC 8414 §2, also where Keys is set and
// nothing is fetched from it.
func checkIssuer(issuer string) error {
	if issuer == "" {
		return errors.New("resource: Issuer is required")
	}
	if !jwks.IsIssuer(issuer) {
		return fmt.Errorf("resource: Issuer %q is not an https URL without user, query and fragment", issuer)
	}
	return nil
}

func checkAudience(audience string) error {
	if audience == "" {
		return errors.New("resource: Audience is required")
	}
	return nil
}

// checkRealm keeps what could break out of the challenge's quoted-string out of
// the configuration, rather than out of each answer.
func checkRealm(realm string) error {
	if !quotable(realm) {
		return fmt.Errorf("resource: Realm %q is not printable ASCII", realm)
	}
	return nil
}

func parseAlgorithms(names []string) ([]jose.SignatureAlgorithm, error) {
	if len(names) == 0 {
		return []jose.SignatureAlgorithm{jose.ES256, jose.RS256}, nil
	}
	algorithms := make([]jose.SignatureAlgorithm, 0, len(names))
	for _, name := range names {
		// "none" and the HMAC family are not in the list and cannot be asked for.
		if !slices.Contains(jwks.Algorithms, name) {
			return nil, fmt.Errorf("resource: Algorithms: %q is not one of %v", name, jwks.Algorithms)
		}
		algorithms = append(algorithms, jose.SignatureAlgorithm(name))
	}
	return algorithms, nil
}

func parseLeeway(d time.Duration) (time.Duration, error) {
	switch {
	case d > MaxLeeway:
		return 0, fmt.Errorf("resource: Leeway %v is more than %v", d, MaxLeeway)
	case d == 0:
		return DefaultLeeway, nil
	case d < 0:
		return 0, nil
	}
	return d, nil
}
