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

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// Config says which tokens a [Verifier] accepts.
type Config struct {
	// What follows is the issuer whose tokens are accepted; each field is as in
	// [Issuer]. Issuer and Audience are required, unless Issuers has them.
	Issuer        string
	Audience      string
	Keys          KeySource
	HTTPClient    *http.Client
	Revocations   Revocations
	Introspection Introspector
	AcceptOpaque  bool

	// InsecureServeStale serves tokens while Revocations cannot say what has been
	// revoked lately, or, before its first answer, ever. It MUST NOT be set where
	// a revoked token must not be served: whoever can keep this server from its
	// issuer then undoes every revocation that it has not heard of. What it has
	// heard of stays refused.
	InsecureServeStale bool

	// Issuers are further issuers, or all of them when the fields above are empty.
	// Each has its own keys, audience and revocations, and iss selects among them;
	// no two may have the same identifier.
	Issuers []Issuer

	// Algorithms is the list of accepted JWS algorithms: any of ES256 ES384
	// ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA. The default is what
	// certbound's authorization server can sign with: ES256, ES384, EdDSA, PS256
	// and RS256, which RFC 9068 §2.1 asks for. Whatever the list, each key is good
	// for its own algorithm only.
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

	// Observe hears each decision of the middleware; see decision.Sink. nil: nobody
	// listens.
	Observe func(*decision.Decision)

	// CacheSize is how many tokens are remembered to have a good signature. It is
	// the one thing that is remembered: expiry, binding, revocation and all else is
	// checked on every request, and a result dies with its key. 0 means
	// [DefaultCacheSize], which is some 15 MB of tokens of the usual size when it
	// is full; a negative value means none, and more than [MaxCacheSize] is
	// refused. It is a target: up to 31 tokens may be kept on top of it.
	CacheSize int

	// Realm is the realm of the challenges; default the audience of the first
	// issuer. Printable ASCII.
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
	// Keys returns the keys that carry kid; the verifier only reads them. None and
	// no error means that the issuer publishes no such key; an error means that its
	// keys are not known. It is called on every request and should answer from
	// memory: a signature that was verified with a key that is no longer there
	// counts for nothing.
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
	trusts       *trusts
	realm        string
	algorithms   []jose.SignatureAlgorithm
	leeway       time.Duration
	clock        func() time.Time
	sink         decision.Sink // of the middleware
	allowUnbound bool

	results     *results
	connections *connections
	decoder     *accesstoken.Decoder
}

// New returns a Verifier, or an error that names every field that is wrong:
// there is no default for whom to believe.
func New(c Config) (*Verifier, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	issuers := c.issuers()
	trusts, trustsErr := newTrusts(issuers, c.Clock, c.Logger)
	if c.Realm == "" {
		c.Realm = issuers[0].Audience
	}
	algorithms, algorithmsErr := parseAlgorithms(c.Algorithms)
	leeway, leewayErr := parseLeeway(c.Leeway)
	size, sizeErr := parseCacheSize(c.CacheSize)
	if err := errors.Join(trustsErr, checkRealm(c.Realm), algorithmsErr, leewayErr, sizeErr); err != nil {
		return nil, err
	}
	return &Verifier{
		trusts: trusts, realm: c.Realm, algorithms: algorithms, leeway: leeway,
		clock: c.Clock, sink: decision.Sink{Logger: c.Logger, Observe: c.Observe}, allowUnbound: c.InsecureAllowUnbound,
		results: newResults(size), connections: newConnections(), decoder: new(accesstoken.Decoder),
	}, nil
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
		return []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.EdDSA, jose.PS256, jose.RS256}, nil
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

func parseCacheSize(n int) (int, error) {
	switch {
	case n > MaxCacheSize:
		return 0, fmt.Errorf("resource: CacheSize %d is more than %d", n, MaxCacheSize)
	case n == 0:
		return DefaultCacheSize, nil
	}
	return max(n, 0), nil
}
