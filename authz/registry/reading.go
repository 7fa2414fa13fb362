package registry

import (
	"context"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Reading is one request's use of a view. It remembers whether anything was read:
// a refusal that rests on the request alone need not be decided again.
type Reading struct {
	view *View
	used bool
}

// Read begins a Reading of the view.
func (v *View) Read() *Reading { return &Reading{view: v} }

// Used reports whether anything was read.
func (r *Reading) Used() bool { return r.used }

// Client implements what package clientauth reads.
func (r *Reading) Client(ctx context.Context, id string) (storage.Client, error) {
	r.used = true
	return r.view.Client(ctx, id)
}

// ClientCertificates implements what package clientauth reads.
func (r *Reading) ClientCertificates(ctx context.Context, clientID string) ([]storage.Certificate, error) {
	r.used = true
	return r.view.ClientCertificates(ctx, clientID)
}

// Certificate implements what package clientauth reads.
func (r *Reading) Certificate(ctx context.Context, x5t thumbprint.Thumbprint) (storage.Certificate, error) {
	r.used = true
	return r.view.Certificate(ctx, x5t)
}

// CertificateDenied implements what package clientauth reads.
func (r *Reading) CertificateDenied(ctx context.Context, x5t thumbprint.Thumbprint) (bool, error) {
	r.used = true
	return r.view.CertificateDenied(ctx, x5t)
}

// APIByAudience implements what package token reads.
func (r *Reading) APIByAudience(ctx context.Context, audience string) (storage.API, error) {
	r.used = true
	return r.view.APIByAudience(ctx, audience)
}

// APIsOwningScopes implements what package token reads.
func (r *Reading) APIsOwningScopes(ctx context.Context, scopes []string) ([]storage.API, error) {
	r.used = true
	return r.view.APIsOwningScopes(ctx, scopes)
}
