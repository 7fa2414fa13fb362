package registry

import (
	"context"
	"errors"
	"slices"
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
	owner        memory[string, string] // of a scope: the audience of its API
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

// APIsOwningScopes implements what package token reads. The owner is remembered of
// each scope, and not of all that were asked for together: of those a client can
// choose as many different ones as it likes.
func (v *View) APIsOwningScopes(ctx context.Context, scopes []string) ([]storage.API, error) {
	var audiences []string
	for _, scope := range scopes {
		audience, err := v.owner.get(scope, func() (string, error) { return v.ownerOf(ctx, scope) })
		if err == errNotOwned { //nolint:errorlint // our own, never wrapped
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(audiences, audience) {
			audiences = append(audiences, audience)
		}
	}
	apis := make([]storage.API, len(audiences))
	for i, audience := range audiences {
		api, err := v.APIByAudience(ctx, audience)
		if err != nil {
			return nil, err
		}
		apis[i] = api
	}
	slices.SortFunc(apis, func(a, b storage.API) int { return strings.Compare(a.ID, b.ID) })
	return apis, nil
}

// errNotOwned keeps a scope that no API owns out of memory.
var errNotOwned = errors.New("registry: no API owns the scope")

// ownerOf reads the audience of the one API that owns the scope.
func (v *View) ownerOf(ctx context.Context, scope string) (string, error) {
	apis, err := v.store.APIsOwningScopes(ctx, []string{scope})
	if err != nil {
		return "", err
	}
	if len(apis) == 0 {
		return "", errNotOwned
	}
	return apis[0].Audience, nil // scopes are unique across APIs
}
