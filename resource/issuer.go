package resource

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/resource/jwks"
)

// Issuer is one authorization server whose tokens are accepted, with everything
// that counts for its tokens alone. The iss of a token selects the issuer, and
// from then on no other issuer's keys, audience or revocations are looked at.
type Issuer struct {
	// Issuer is the authorization server's issuer identifier, an https URL.
	// Required; a token's iss must equal it octet for octet.
	Issuer string

	// Audience is the name of this API in the issuer's tokens. Required; a token's
	// aud must be or contain exactly this string.
	Audience string

	// Keys supplies the issuer's public keys. The default fetches the JWK Set that
	// the issuer's RFC 8414 metadata points to, see [jwks.Remote].
	Keys KeySource

	// HTTPClient fetches metadata and keys when Keys is nil. The default trusts
	// the system's roots. Redirects are never followed and time is bounded,
	// whatever the client says.
	HTTPClient *http.Client

	// Revocations is asked about every token whose signature is good: normally a
	// follower of the issuer's feed, package revokefeed. Without one a token lives
	// until it expires, whatever its issuer has revoked.
	Revocations Revocations

	// InsecureServeStale is [Config.InsecureServeStale] for this issuer's tokens.
	// It MUST NOT be set where a revoked token must not be served.
	InsecureServeStale bool

	// Introspection asks the issuer about a token where a [Policy] wants it:
	// package introspection. Without one, such a policy lets none of this issuer's
	// tokens through.
	Introspection Introspector

	// AcceptOpaque accepts tokens that are not JWTs, by asking Introspection on
	// every request that comes with one. Only one issuer may have it: an opaque
	// token does not say whose it is, and must not be shown to the wrong one. A
	// token that has the form of a JWT is never taken for an opaque one, so that
	// introspection cannot rescue a JWT that was refused. Nobody's opaque tokens take
	// the places of others: questions are bounded for each certificate, and for all
	// together that have shown no good token yet, which is half of what package
	// introspection asks at a time.
	AcceptOpaque bool
}

// trust is an issuer that is ready to be relied on.
type trust struct {
	Issuer
	gate *gate // to Introspection
}

// trusts are the issuers of a verifier.
type trusts struct {
	byIssuer map[string]*trust
	first    *trust // as configured
	opaque   *trust // whose tokens need not be JWTs; nil for nobody's
	names    string // all of them, for the operator
}

// issuers are all that the configuration names, the one of its own fields first.
func (c *Config) issuers() []Issuer {
	own := Issuer{
		Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, HTTPClient: c.HTTPClient,
		Revocations: c.Revocations, InsecureServeStale: c.InsecureServeStale,
		Introspection: c.Introspection, AcceptOpaque: c.AcceptOpaque,
	}
	if own == (Issuer{}) && len(c.Issuers) > 0 {
		return c.Issuers
	}
	return append([]Issuer{own}, c.Issuers...)
}

// newTrusts checks the issuers one by one and against each other.
func newTrusts(issuers []Issuer, clock func() time.Time, logger *slog.Logger) (*trusts, error) {
	all := &trusts{byIssuer: map[string]*trust{}}
	var faults []error
	for _, i := range issuers {
		if err := i.check(); err != nil {
			faults = append(faults, err)
			continue
		}
		if err := all.add(i, clock, logger); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return all, nil
}

func (a *trusts) add(i Issuer, clock func() time.Time, logger *slog.Logger) error {
	if a.byIssuer[i.Issuer] != nil {
		return fmt.Errorf("resource: Issuer %q is there twice", i.Issuer)
	}
	if i.Keys == nil {
		remote, err := jwks.New(jwks.Config{Issuer: i.Issuer, HTTPClient: i.HTTPClient, Clock: clock, Logger: logger})
		if err != nil {
			return fmt.Errorf("resource: Keys: %w", err)
		}
		i.Keys = remote
	}
	t := &trust{i, newGate()}
	if i.AcceptOpaque {
		if a.opaque != nil {
			return fmt.Errorf("resource: AcceptOpaque of %q and of %q: an opaque token does not say whose it is", a.opaque.Issuer.Issuer, i.Issuer)
		}
		a.opaque = t
	}
	a.byIssuer[i.Issuer] = t
	if a.first == nil {
		a.first = t
	}
	if a.names != "" {
		a.names += " "
	}
	a.names += i.Issuer
	return nil
}

// check holds the issuer to RFC 8414 §2, also where Keys is set and nothing is
// fetched from it.
func (i *Issuer) check() error {
	var faults []error
	switch {
	case i.Issuer == "":
		faults = append(faults, errors.New("resource: Issuer is required"))
	case !jwks.IsIssuer(i.Issuer):
		faults = append(faults, fmt.Errorf("resource: Issuer %q is not an https URL without user, query and fragment", i.Issuer))
	}
	if i.Audience == "" {
		faults = append(faults, errors.New("resource: Audience is required"))
	}
	if i.AcceptOpaque && i.Introspection == nil {
		faults = append(faults, errors.New("resource: AcceptOpaque needs Introspection: nothing else can tell what an opaque token is"))
	}
	return errors.Join(faults...)
}
