package fositex

import (
	"context"
	"errors"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
)

// fosite finds some abilities by type assertion, where a missing method is a
// silent loss; these lines make it a compile error.
var (
	_ fosite.Client              = client{}
	_ fosite.AccessRequester     = request{}
	_ fosite.Session             = (*session)(nil)
	_ oauth2.AccessTokenStrategy = strategy{}
	_ oauth2.AccessTokenStorage  = stateless{}
)

var errNotServed = errors.New("fositex: fosite asked for something certbound does not serve")

// client shows a Grant to fosite as a confidential client.
type client struct{ Grant }

func (c client) GetID() string                      { return c.ClientID }
func (c client) GetHashedSecret() []byte            { return nil }
func (c client) GetRedirectURIs() []string          { return nil }
func (c client) GetResponseTypes() fosite.Arguments { return nil }
func (c client) GetScopes() fosite.Arguments        { return c.Allowed }
func (c client) IsPublic() bool                     { return false }
func (c client) GetAudience() fosite.Arguments      { return fosite.Arguments{c.Audience} }
func (c client) GetGrantTypes() fosite.Arguments {
	return fosite.Arguments{string(fosite.GrantTypeClientCredentials)}
}

// request is not copied for a storage that stores nothing: the copy would get a
// random id of its own.
type request struct{ *fosite.AccessRequest }

func (r request) Sanitize([]string) fosite.Requester { return r }

// session carries Mint to the strategy through one request; it is never stored.
type session struct{ mint Mint }

func (s *session) SetExpiresAt(fosite.TokenType, time.Time)          {}
func (s *session) GetExpiresAt(fosite.TokenType) (expires time.Time) { return }
func (s *session) GetUsername() string                               { return "" }
func (s *session) GetSubject() string                                { return "" }
func (s *session) Clone() fosite.Session                             { return s }

// strategy makes the token by the session's Mint.
type strategy struct{}

func (strategy) GenerateAccessToken(ctx context.Context, r fosite.Requester) (token, signature string, err error) {
	s, ok := r.GetSession().(*session)
	if !ok {
		return "", "", errNotServed
	}
	token, err = s.mint(ctx, r.GetGrantedScopes())
	return token, "", err
}

func (strategy) AccessTokenSignature(context.Context, string) string { return "" }

func (strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return errNotServed
}

// stateless stores nothing: access tokens are self-contained (design rule 10).
type stateless struct{}

func (stateless) CreateAccessTokenSession(context.Context, string, fosite.Requester) error {
	return nil
}

func (stateless) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errNotServed
}

func (stateless) DeleteAccessTokenSession(context.Context, string) error { return errNotServed }
