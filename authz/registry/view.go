package registry

import (
	"context"
	"errors"
	"strings"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// View reads the registration as it was at one version, or later: a record that
// is not in memory yet comes from the database, which may have moved on. That is
// harmless, because then the version has moved on too.
//
// Only what is there is remembered. Who is unknown costs a read each time, and
// takes no memory.
type View struct {
	store   Store
	version int64

	clients      memory[string, storage.Client]
	certificates memory[string, []storage.Certificate] // of a client
	known        memory[thumbprint.Thumbprint, storage.Certificate]
	allowed      memory[thumbprint.Thumbprint, struct{}] // certificates that are not denied
	byAudience   memory[string, storage.API]
	owning       memory[string, []storage.API] // by scopes, joined
}

func newView(store Store, version int64) *View { return &View{store: store, version: version} }

// Version is the version of the registration that was there before anything in
// this view was read.
func (v *View) Version() int64 { return v.version }

// Client implements what package clientauth reads. Callers share the record's
// slices and must not change them.
func (v *View) Client(ctx context.Context, id string) (storage.Client, error) {
	return v.clients.get(id, func() (storage.Client, error) { return v.store.Client(ctx, id) })
}

// ClientCertificates implements what package clientauth reads.
func (v *View) ClientCertificates(ctx context.Context, clientID string) ([]storage.Certificate, error) {
	return v.certificates.get(clientID, func() ([]storage.Certificate, error) { return v.store.ClientCertificates(ctx, clientID) })
}

// Certificate implements what package clientauth reads. It is asked about
// certificates that have proved a path to a trust bundle, so that nothing is on
// record is remembered as well: what is put there later, and matters, is another
// version.
func (v *View) Certificate(ctx context.Context, x5t thumbprint.Thumbprint) (storage.Certificate, error) {
	record, err := v.known.get(x5t, func() (storage.Certificate, error) {
		record, err := v.store.Certificate(ctx, x5t)
		if errors.Is(err, storage.ErrNotFound) {
			return storage.Certificate{}, nil
		}
		record.DER = nil // nobody who asks here needs it
		return record, err
	})
	if err == nil && record.ClientID == "" {
		err = storage.ErrNotFound
	}
	return record, err
}

// CertificateDenied implements what package clientauth reads. A denied one is
// never remembered.
func (v *View) CertificateDenied(ctx context.Context, x5t thumbprint.Thumbprint) (denied bool, err error) {
	_, err = v.allowed.get(x5t, func() (struct{}, error) {
		denied, err := v.store.CertificateDenied(ctx, x5t)
		if err == nil && denied {
			err = errDenied
		}
		return struct{}{}, err
	})
	if err == errDenied { //nolint:errorlint // our own, never wrapped
		return true, nil
	}
	return false, err
}

// APIByAudience implements what package token reads.
func (v *View) APIByAudience(ctx context.Context, audience string) (storage.API, error) {
	return v.byAudience.get(audience, func() (storage.API, error) { return v.store.APIByAudience(ctx, audience) })
}

// APIsOwningScopes implements what package token reads.
func (v *View) APIsOwningScopes(ctx context.Context, scopes []string) ([]storage.API, error) {
	// A scope has no space in it, RFC 6749 §3.3.
	return v.owning.get(strings.Join(scopes, " "), func() ([]storage.API, error) { return v.store.APIsOwningScopes(ctx, scopes) })
}
