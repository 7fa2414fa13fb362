package token

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// target is the one API a token is for, and the scopes.
type target struct {
	audience   string
	allowed    []string // the client's scopes that this API owns
	requested  []string // what the token is to carry; never empty
	lifetime   time.Duration
	signingAlg string // "" means the server's choice
}

// resolve finds the one audience of design rule 10: the API named by resource
// (RFC 8707), else the one API that owns every scope asked for. Without scope
// the client gets all its scopes for that API; one scope it may not have, and
// nothing is issued.
func resolve(ctx context.Context, records *registry.Reading, client storage.Client, form oauth.Form) (target, *oauth.Error) {
	requested, refusal := oauth.ParseScope(form.Get(oauth.ParamScope))
	if refusal != nil {
		return target{}, refusal
	}
	for _, scope := range requested {
		if !slices.Contains(client.Scopes, scope) {
			return target{}, notGranted(client.Scopes, scope)
		}
	}
	api, refusal := apiFor(ctx, records, client, requested, form.All(oauth.ParamResource))
	if refusal != nil {
		return target{}, refusal
	}

	allowed := intersect(client.Scopes, api.Scopes)
	if len(allowed) == 0 {
		// Not scope_not_granted: the caller must not learn that the API exists.
		return target{}, oauth.Refuse(decision.TargetInvalid, "the client has no scope at the API named by resource")
	}
	if len(requested) == 0 {
		requested = allowed
	}
	for _, scope := range requested {
		if !slices.Contains(allowed, scope) {
			return target{}, notGranted(allowed, scope)
		}
	}
	return target{api.Audience, allowed, requested, api.TokenLifetime, api.SigningAlg}, nil
}

// apiFor is the API the request leads to.
func apiFor(ctx context.Context, records *registry.Reading, client storage.Client, requested, resources []string) (storage.API, *oauth.Error) {
	switch len(resources) {
	case 0:
		return apiOwning(ctx, records, client, requested)
	case 1:
		api, err := records.APIByAudience(ctx, resources[0])
		if errors.Is(err, storage.ErrNotFound) {
			return storage.API{}, &oauth.Error{Reason: decision.TargetInvalid, Detail: "no API has this audience", Seen: resources[0]}
		}
		if err != nil {
			return storage.API{}, oauth.RefuseFor(decision.StorageUnavailable, err)
		}
		return api, nil
	default:
		return storage.API{}, oauth.Refuse(decision.TargetInvalid, "resource is repeated; a token has one audience")
	}
}

// apiOwning is the one API that owns the scopes asked for, or, when none are,
// all the client's scopes.
func apiOwning(ctx context.Context, records *registry.Reading, client storage.Client, requested []string) (storage.API, *oauth.Error) {
	scopes := requested
	if len(scopes) == 0 {
		scopes = client.Scopes
	}
	if len(scopes) == 0 {
		return storage.API{}, oauth.Refuse(decision.ScopeNotGranted, "the client has no scopes")
	}
	apis, err := records.APIsOwningScopes(ctx, scopes)
	if err != nil {
		return storage.API{}, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	switch len(apis) {
	case 0:
		return storage.API{}, oauth.Refuse(decision.ScopeNotGranted, "no API owns these scopes")
	case 1:
		return apis[0], nil
	default:
		return storage.API{}, oauth.Refuse(decision.TargetInvalid, "the scopes belong to several APIs: name one in resource, or ask for the scopes of one")
	}
}

func notGranted(held []string, scope string) *oauth.Error {
	return &oauth.Error{
		Reason: decision.ScopeNotGranted, Detail: "a requested scope is not granted to this client at this API",
		Expected: strings.Join(held, " "), Seen: scope,
	}
}

// intersect returns the elements of a that b has, in a's order.
func intersect(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}
