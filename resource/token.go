package resource

import (
	"context"
	"slices"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Token is a verified access token in the hands it was issued to.
type Token struct {
	Issuer   string // iss
	Subject  string // sub
	ClientID string // client_id
	Partner  string // the partner the client belongs to; "" when the issuer does not say
	ID       string // jti

	// Audience and Scopes are shared with other requests that carry the same token
	// and must not be changed.
	Audience []string // aud; holds the verifier's audience
	Scopes   []string // scope, as granted

	IssuedAt time.Time
	Expiry   time.Time

	Generation int64 // gen: the client's generation when the token was issued

	// Thumbprint is the certificate the token is bound to; zero for an unbound
	// token, which only a verifier with InsecureAllowUnbound lets through.
	Thumbprint thumbprint.Thumbprint

	// Peer is the certificate the request came with; nil only for an unbound
	// token that came without one.
	Peer *peercert.Peer

	// Decision is the record of why the request was allowed. VerifyRequest does
	// not log it; the middleware does.
	Decision decision.Decision
}

// HasScope reports whether scope was granted.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.Scopes, scope) }

// contextKey is the type of the key under which the middleware keeps the token.
type contextKey struct{}

// FromContext returns the verified token of a request that came through
// [Verifier.Require], [Verifier.Enforce] or [Verifier.Middleware], or through
// whatever else has put it there with [NewContext].
func FromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(contextKey{}).(*Token)
	return t, ok
}

// NewContext returns a context in which [FromContext] finds the token: for those
// who call VerifyRequest themselves.
func NewContext(ctx context.Context, t *Token) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// narrow takes away what the issuer's answer about the token does not grant any
// more: scopes, and time (see [Verifier.Recheck]).
func (t *Token) narrow(answer *accesstoken.Claims) {
	t.Scopes = common(t.Scopes, answer.Scopes)
	if answer.Expiry.Before(t.Expiry) {
		t.Expiry = answer.Expiry
	}
}

// fill sets everything but the decision.
func (t *Token) fill(from *reading, peer *peercert.Peer) {
	c := from.claims
	t.Issuer, t.Subject, t.ClientID, t.Partner, t.ID = c.Issuer, c.Subject, c.ClientID, c.Partner, c.ID
	t.Audience, t.Scopes = from.audiences, from.scopes
	t.IssuedAt, t.Expiry, t.Generation = c.IssuedAt, c.Expiry, c.Generation
	t.Thumbprint, t.Peer = c.Thumbprint, peer
}
