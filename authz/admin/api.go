package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// API is the body of a protected API.
type API struct {
	ID       string   `yaml:"id" json:"id"`
	Audience string   `yaml:"audience" json:"audience"` // absolute URI, the aud claim
	Scopes   []string `yaml:"scopes" json:"scopes"`
	// TokenLifetimeSeconds is the life of this API's tokens, 1 to 3600; 0 or
	// absent means the server's default.
	TokenLifetimeSeconds int64    `yaml:"token_lifetime_seconds" json:"token_lifetime_seconds,omitempty"`
	ResourceServers      []string `yaml:"resource_servers" json:"resource_servers,omitempty"` // client ids
}

func (a API) record(now time.Time) (storage.API, error) {
	lifetime := time.Duration(a.TokenLifetimeSeconds) * time.Second
	problems := []error{checkID("id", a.ID), checkAudience(a.Audience)}
	if a.TokenLifetimeSeconds < 0 || a.TokenLifetimeSeconds > int64(oauth.MaxTokenLifetime/time.Second) {
		problems = append(problems, fmt.Errorf("token_lifetime_seconds must be 0 to %d", int64(oauth.MaxTokenLifetime/time.Second)))
	}
	if len(a.Scopes) == 0 {
		problems = append(problems, errors.New("scopes must name at least one scope"))
	}
	for _, scope := range a.Scopes {
		if !oauth.ValidScopeToken(scope) {
			problems = append(problems, fmt.Errorf("scope %q is not a scope token of RFC 6749 §3.3", scope))
		}
	}
	return storage.API{
		ID: a.ID, Audience: a.Audience, Scopes: distinct(a.Scopes),
		TokenLifetime: lifetime, ResourceServers: distinct(a.ResourceServers),
		CreatedAt: now, UpdatedAt: now,
	}, errors.Join(problems...)
}

// checkAudience accepts a resource indicator of RFC 8707 §2: an absolute URI
// without fragment.
func checkAudience(audience string) error {
	u, err := url.Parse(audience)
	if err != nil || !u.IsAbs() || strings.Contains(audience, "#") {
		return errors.New("audience must be an absolute URI without fragment (RFC 8707 §2)")
	}
	return nil
}

// distinct returns the values sorted and without repetition.
func distinct(values []string) []string {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// ensureAPI creates or changes an API. Its resource servers may be clients that
// do not exist yet, so they are written in a second pass.
func ensureAPI(ctx context.Context, tx storage.Tx, want storage.API, withServers bool) error {
	have, err := tx.API(ctx, want.ID)
	if errors.Is(err, storage.ErrNotFound) {
		want.ResourceServers = nil
		return tx.CreateAPI(ctx, want)
	}
	if err != nil {
		return err
	}
	servers := have.ResourceServers
	if withServers {
		servers = want.ResourceServers
	}
	same := have.Audience == want.Audience && have.TokenLifetime == want.TokenLifetime &&
		slices.Equal(have.Scopes, want.Scopes) && slices.Equal(have.ResourceServers, servers)
	if same {
		return nil
	}
	have.Audience, have.TokenLifetime, have.Scopes, have.ResourceServers = want.Audience, want.TokenLifetime, want.Scopes, servers
	have.UpdatedAt = want.UpdatedAt
	return tx.UpdateAPI(ctx, have)
}
