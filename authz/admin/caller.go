package admin

import (
	"errors"
	"slices"
	"strings"

	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// The reserved API (design rule 23).
const (
	ScopeRead     = "admin:read"     // see everything
	ScopeWrite    = "admin:write"    // register and change partners, clients, APIs and certificates
	ScopeOperate  = "admin:operate"  // disable, enable, revoke
	ScopeSecurity = "admin:security" // trust bundles, keys, lockouts, and clients that hold an admin scope
)

// Audience is the admin API's name in tokens of an issuer.
func Audience(issuer string) string { return issuer + "/admin" }

// Scopes returns all scopes of the admin API.
func Scopes() []string { return []string{ScopeOperate, ScopeRead, ScopeSecurity, ScopeWrite} }

// caller is an administrator who proved it for this request.
type caller struct {
	token  *resource.Token
	client storage.Client
}

// may reports whether both the token and the administrator's present
// registration have the scope.
func (c *caller) may(scope string) bool {
	return c.token.HasScope(scope) && slices.Contains(c.client.Scopes, scope)
}

// authorize runs every check of design rule 23 on one request: the token, bound
// to the certificate of the connection; that certificate as a credential of the
// administrator as stored now; whether the token was revoked; the roles of now.
// Nothing is remembered between requests, so an open connection has no advantage.
func (h *Handler) authorize(c *call, scope string) (*decision.Decision, *refusal) {
	if scope == "" {
		d := decision.New(c.Request, Journey, h.Clock())
		return &d, nil
	}
	token, err := h.Verifier.VerifyRequest(c.Request, scope)
	if err != nil {
		var refused *resource.Refusal
		if !errors.As(err, &refused) { // VerifyRequest returns nothing else
			panic(err)
		}
		d := refused.Decision
		return &d, byVerifier(refused)
	}
	d := token.Decision
	authenticated, refused := h.Authenticator.AuthenticateAs(c.Request, token.ClientID, &d.Evidence)
	if refused != nil {
		return &d, byAuthenticator(refused)
	}
	c.caller = &caller{token, authenticated.Client}
	if f := h.stands(c, d.Evidence.KeyID); f != nil {
		return &d, f
	}
	if !c.caller.may(scope) {
		return &d, refuse(decision.ScopeInsufficient, "the administrator no longer holds "+scope)
	}
	return &d, nil
}

// stands asks whether the token has been revoked since it was issued. The
// authorization server has the records; it needs no feed. Of the certificate, the
// authenticator has asked.
func (h *Handler) stands(c *call, keyID string) *refusal {
	token := c.caller.token
	if token.Generation < c.caller.client.Generation {
		return refuse(decision.ClientDisabled, "the token is of an earlier generation of its client")
	}
	for _, subject := range []struct {
		kind storage.FeedKind
		name string
	}{{storage.FeedToken, token.ID}, {storage.FeedKey, keyID}} {
		denied, err := h.Store.Denied(c.Context(), subject.kind, subject.name, c.now)
		if err != nil {
			return unavailable(err)
		}
		if denied {
			return refuse(decision.TokenRevoked, "the "+string(subject.kind)+" has been revoked")
		}
	}
	return nil
}

// mayTouch lets only admin:security change what belongs to an administrator.
func (c *caller) mayTouch(target storage.Client) *refusal {
	if !isAdministrator(target) || c.may(ScopeSecurity) {
		return nil
	}
	return refuse(decision.ScopeInsufficient, "the client holds an admin scope: only "+ScopeSecurity+" may touch it")
}

func isAdministrator(c storage.Client) bool {
	return slices.ContainsFunc(c.Scopes, func(s string) bool { return strings.HasPrefix(s, registration.AdminScopes) })
}

func enabled(c storage.Client) bool { return !c.Disabled && !c.PartnerDisabled }
