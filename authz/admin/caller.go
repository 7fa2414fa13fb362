package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/refusal"
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
func (h *Handler) authorize(c *call, scope string) (*decision.Decision, error) {
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
		return &d, refusal.ByVerifier(refused)
	}
	d := token.Decision
	authenticated, refused := h.Authenticator.AuthenticateAs(c.Request, token.ClientID, &d.Evidence)
	if refused != nil {
		return &d, refusal.ByAuthenticator(refused)
	}
	c.caller = &caller{token, authenticated.Client}
	if err := h.stands(c, d.Evidence.KeyID); err != nil {
		return &d, err
	}
	if !c.caller.may(scope) {
		return &d, refusal.New(decision.ScopeInsufficient, "the administrator no longer holds "+scope)
	}
	return &d, nil
}

// stands asks whether the token has been revoked since it was issued. The
// authorization server has the records; it needs no feed. Of the certificate, the
// authenticator has asked.
func (h *Handler) stands(c *call, keyID string) error {
	token := c.caller.token
	if token.Generation < c.caller.client.Generation {
		return refusal.New(decision.ClientDisabled, "the token is of an earlier generation of its client")
	}
	for _, subject := range []struct {
		kind storage.FeedKind
		name string
	}{{storage.FeedToken, token.ID}, {storage.FeedKey, keyID}} {
		denied, err := h.Store.Denied(c.Context(), subject.kind, subject.name, c.now)
		if err != nil {
			return err
		}
		if denied {
			return refusal.New(decision.TokenRevoked, "the "+string(subject.kind)+" has been revoked")
		}
	}
	return nil
}

// maySwitch lets only admin:operate disable and enable, by a PATCH as by the routes
// that are made for it: who may not disable must not undo it either.
func (c *caller) maySwitch(was, is bool) error {
	if was == is || c.may(ScopeOperate) {
		return nil
	}
	return refusal.New(decision.ScopeInsufficient, "only "+ScopeOperate+" disables and enables")
}

// mayTouch lets only admin:security change what belongs to an administrator.
func (c *caller) mayTouch(target storage.Client) error {
	if !isAdministrator(target) || c.may(ScopeSecurity) {
		return nil
	}
	return refusal.New(decision.ScopeInsufficient, "the client holds an admin scope: only "+ScopeSecurity+" may touch it")
}

func isAdministrator(c storage.Client) bool {
	return slices.ContainsFunc(c.Scopes, func(s string) bool { return strings.HasPrefix(s, registration.AdminScopes) })
}

// administrators are the clients that hold an admin scope, each once.
func administrators(ctx context.Context, from storage.ClientReader) ([]storage.Client, error) {
	var all []storage.Client
	for _, scope := range Scopes() {
		holders, err := from.ClientsHolding(ctx, scope)
		if err != nil {
			return nil, err
		}
		for _, holder := range holders {
			if !slices.ContainsFunc(all, func(c storage.Client) bool { return c.ID == holder.ID }) {
				all = append(all, holder)
			}
		}
	}
	return all, nil
}

func enabled(c storage.Client) bool { return !c.Disabled && !c.PartnerDisabled }

// stillCaller asks again in the transaction: of two administrators who disable
// each other at the same time, one comes second. Seconds may have passed, too: the
// body of a request is read after its caller was known.
func stillCaller(ctx context.Context, tx storage.Tx, c *caller, now time.Time) error {
	client, err := tx.Client(ctx, c.client.ID)
	if err != nil {
		return err
	}
	if !enabled(client) || client.Generation != c.client.Generation || !slices.Equal(client.Scopes, c.client.Scopes) {
		return refusal.New(decision.ClientDisabled, "the administrator was changed while the request ran")
	}
	revoked, err := tx.Denied(ctx, storage.FeedToken, c.token.ID, now)
	if err != nil {
		return err
	}
	denied, err := tx.CertificateDenied(ctx, c.token.Thumbprint)
	if err != nil {
		return err
	}
	record, err := tx.Certificate(ctx, c.token.Thumbprint)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	retired := record.ClientID == client.ID && !record.RetireAt.IsZero() && !now.Before(record.RetireAt)
	if revoked || denied || retired {
		return refusal.New(decision.TokenRevoked, "the administrator's token or certificate was revoked while the request ran")
	}
	return nil
}

// conflicting names the owners to those who may read them.
func (c *call) conflicting(all ...refusal.Taken) error {
	if !c.caller.may(ScopeRead) {
		for i := range all {
			all[i].Owner = ""
		}
	}
	return refusal.Conflicting(all...)
}
