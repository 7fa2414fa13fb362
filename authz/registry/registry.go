// Package registry lets the token endpoint read the registration from memory:
// clients, their certificates, denials and APIs.
//
// Nothing in it is trusted for itself. Every record belongs to a version of the
// registration ([storage.RegistrationReader]), and whoever acts on one has the
// version checked where it counts: a token's audit event is stored in a
// transaction that refuses it when the registration has moved on (package audit),
// so a client that was disabled a moment ago, by this process or another, gets no
// token. A refusal that rests on memory is decided again on fresh records.
//
// It knows storage and nothing else of the authorization server.
package registry

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/certbound/certbound/storage"
)

// Store is the database behind.
type Store interface {
	storage.ClientReader
	storage.CertificateReader
	storage.APIReader
	storage.DenialReader
	storage.RegistrationReader
}

// Registry hands out views of the registration.
type Registry struct {
	store   Store
	changed func(context.Context) error
	current atomic.Pointer[View]
}

// New returns a Registry that has read nothing yet. It calls changed, which may be
// nil, when it has seen a new version and before it hands out the view of it: for
// what else is kept in memory. Requests wait for it, and while it fails the new
// version is not taken for seen: whoever asks next calls it again.
func New(store Store, changed func(context.Context) error) (*Registry, error) {
	if store == nil {
		return nil, errors.New("registry: the store is missing")
	}
	if changed == nil {
		changed = func(context.Context) error { return nil }
	}
	return &Registry{store: store, changed: changed}, nil
}

// View returns the view in use, however old: its version must be checked before
// anything is done on its word. The error is the database's.
func (r *Registry) View(ctx context.Context) (*View, error) {
	if view := r.current.Load(); view != nil {
		return view, nil
	}
	return r.Fresh(ctx)
}

// Fresh asks the database for the version and returns the view of it: the one in
// use, or a new and empty one. The error is the database's, or that of changed.
func (r *Registry) Fresh(ctx context.Context) (*View, error) {
	version, err := r.store.RegistrationVersion(ctx)
	if err != nil {
		return nil, err
	}
	for {
		held := r.current.Load()
		// Versions only rise. One below ours was read before a change that another
		// request has already noticed.
		if held != nil && held.version >= version {
			return held, nil
		}
		if err := r.changed(ctx); err != nil {
			return nil, err
		}
		view := newView(r.store, version)
		if r.current.CompareAndSwap(held, view) {
			return view, nil
		}
	}
}
