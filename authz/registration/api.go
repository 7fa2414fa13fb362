package registration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// API is the body of a protected API.
type API struct {
	ID       string   `yaml:"id" json:"id,omitempty" doc:"1 to 128 characters of A-Z a-z 0-9 . _ -, never changes; generated when absent."`
	Audience string   `yaml:"audience" json:"audience"` // absolute URI, the aud claim
	Scopes   []string `yaml:"scopes" json:"scopes"`
	// TokenLifetimeSeconds is the life of this API's tokens, 1 to 3600; 0 or
	// absent means the server's default.
	TokenLifetimeSeconds int64 `yaml:"token_lifetime_seconds" json:"token_lifetime_seconds,omitempty"`
	// SigningAlg is the JWS algorithm of this API's tokens: ES256, ES384, EdDSA,
	// PS256 or RS256. Until its first key is known to all resource servers, tokens
	// go on being signed as before. Absent means the server's default.
	SigningAlg      string   `yaml:"signing_alg" json:"signing_alg,omitempty"`
	ResourceServers []string `yaml:"resource_servers" json:"resource_servers,omitempty"` // client ids
}

// maxScopeLength bounds a scope in bytes.
const maxScopeLength = 256

// Record is the API to be stored, with its scopes and resource servers sorted, and
// what is wrong with the body.
func (a API) Record(now time.Time) (storage.API, Faults) {
	var all Faults
	all.Add("id", checkID("id", a.ID))
	all.Add("audience", checkAudience(a.Audience))
	if a.TokenLifetimeSeconds < 0 || a.TokenLifetimeSeconds > int64(oauth.MaxTokenLifetime/time.Second) {
		all.Add("token_lifetime_seconds", fmt.Errorf("token_lifetime_seconds must be 0 to %d", int64(oauth.MaxTokenLifetime/time.Second)))
	}
	if a.SigningAlg != "" {
		all.Add("signing_alg", keys.CheckAlgorithm(a.SigningAlg))
	}
	if a.ID == AdminAPI {
		all.Add("id", fmt.Errorf("%s is reserved for the admin API", AdminAPI))
	}
	if len(a.Scopes) == 0 {
		all.Add("scopes", errors.New("scopes must name at least one scope"))
	}
	for i, scope := range a.Scopes {
		if strings.HasPrefix(scope, AdminScopes) {
			all.Add(fmt.Sprintf("scopes[%d]", i), fmt.Errorf("scope %q is reserved for the admin API", scope))
		}
		if !oauth.ValidScopeToken(scope) || len(scope) > maxScopeLength {
			all.Add(fmt.Sprintf("scopes[%d]", i), fmt.Errorf("scope %q is not a scope token of RFC 6749 §3.3 of at most %d bytes", scope, maxScopeLength))
		}
	}
	return storage.API{
		ID: a.ID, Audience: a.Audience, Scopes: Distinct(a.Scopes),
		TokenLifetime:   time.Duration(a.TokenLifetimeSeconds) * time.Second,
		SigningAlg:      a.SigningAlg,
		ResourceServers: Distinct(a.ResourceServers),
		CreatedAt:       now, UpdatedAt: now,
	}, all
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

// Distinct returns the values sorted and without repetition.
func Distinct(values []string) []string {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// EnsureAPI changes have to want when they differ.
func EnsureAPI(ctx context.Context, tx storage.Tx, have, want storage.API) error {
	same := have.Audience == want.Audience && have.TokenLifetime == want.TokenLifetime && have.SigningAlg == want.SigningAlg &&
		slices.Equal(have.Scopes, want.Scopes) && slices.Equal(have.ResourceServers, want.ResourceServers)
	if same {
		return nil
	}
	want.Version = have.Version
	return tx.UpdateAPI(ctx, want)
}
