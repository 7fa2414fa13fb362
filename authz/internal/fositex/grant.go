package fositex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
)

// ErrScope: a requested scope is not among those the client may have.
var ErrScope = errors.New("fositex: a requested scope is not granted to this client")

// Grant is what an authenticated client asks for.
type Grant struct {
	ClientID  string
	Allowed   []string // the scopes this client may have at the audience
	Requested []string // what it asks for, at least one
	Audience  string   // the one audience, already resolved
}

// Mint makes the access token once the grant stands. scopes are those granted.
type Mint func(ctx context.Context, scopes []string) (token string, err error)

// ClientCredentials decides one client-credentials request and returns the
// token that mint made. It reports ErrScope, the error of mint as it is, or a
// failure of the handler.
func ClientCredentials(ctx context.Context, g Grant, mint Mint) (string, error) {
	if len(g.Requested) == 0 {
		return "", ErrScope
	}
	request := request{fosite.NewAccessRequest(&session{mint: mint})}
	request.GrantTypes = fosite.Arguments{string(fosite.GrantTypeClientCredentials)}
	request.Client = client{g}
	request.SetRequestedScopes(g.Requested)
	request.SetRequestedAudience(fosite.Arguments{g.Audience})

	if err := handler.HandleTokenEndpointRequest(ctx, request); err != nil {
		if errors.Is(err, fosite.ErrInvalidScope) {
			return "", ErrScope
		}
		return "", fmt.Errorf("fositex: grant refused: %w", err)
	}
	for _, scope := range request.GetRequestedScopes() {
		request.GrantScope(scope)
	}
	request.GrantAudience(g.Audience)

	response := fosite.NewAccessResponse()
	if err := handler.PopulateTokenEndpointResponse(ctx, request, response); err != nil {
		return "", err
	}
	return response.GetAccessToken(), nil
}

// handler is stateless: a struct literal, since fosite's compose package is
// wired through interface{} and fails at run time.
var handler = &oauth2.ClientCredentialsGrantHandler{
	HandleHelper: &oauth2.HandleHelper{
		AccessTokenStrategy: strategy{},
		AccessTokenStorage:  stateless{},
		Config:              config{},
	},
	Config: config{},
}

// config answers fosite's questions. The life of a token is decided where it is
// minted; fosite's own reckoning is not used.
type config struct{}

func (config) GetScopeStrategy(context.Context) fosite.ScopeStrategy {
	return fosite.ExactScopeStrategy
}

func (config) GetAudienceStrategy(context.Context) fosite.AudienceMatchingStrategy {
	return fosite.ExactAudienceMatchingStrategy
}

func (config) GetAccessTokenLifespan(context.Context) time.Duration  { return time.Minute }
func (config) GetRefreshTokenLifespan(context.Context) time.Duration { return 0 }
