package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// counted counts the reads of a database whose version the test sets.
type counted struct {
	storage.Store

	version int64
	reads   int
	denied  bool
	err     error
}

func (c *counted) RegistrationVersion(context.Context) (int64, error) { return c.version, c.err }

func (c *counted) Client(_ context.Context, id string) (storage.Client, error) {
	c.reads++
	if id == "unknown" {
		return storage.Client{}, storage.ErrNotFound
	}
	return storage.Client{ID: id, Version: c.version}, c.err
}

func (c *counted) CertificateDenied(context.Context, thumbprint.Thumbprint) (bool, error) {
	c.reads++
	return c.denied, c.err
}

func view(t *testing.T, r *Registry) *View {
	t.Helper()
	v, err := r.Fresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordsLastAsLongAsTheVersion(t *testing.T) {
	store, changes := &counted{version: 1}, 0
	r, err := New(store, func(context.Context) error { changes++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	read := func(v *View, want int64, reads int) {
		t.Helper()
		store.reads = 0
		c, err := v.Client(t.Context(), "acme")
		if err != nil || c.Version != want || store.reads != reads {
			t.Errorf("version %d after %d reads, error %v; want version %d after %d", c.Version, store.reads, err, want, reads)
		}
	}
	first := view(t, r)
	read(first, 1, 1)
	read(first, 1, 0)
	if again := view(t, r); again != first {
		t.Error("the version is the same and the view is not")
	}
	store.version = 2
	if old, err := r.View(t.Context()); err != nil || old != first {
		t.Errorf("View asked the database: %v", err)
	}
	second := view(t, r)
	read(second, 2, 1)
	read(second, 2, 0)
	if changes != 2 {
		t.Errorf("changed was called %d times, want 2", changes)
	}
	store.version = 1 // read before the change, answered after it
	if view(t, r) != second {
		t.Error("the view went back to an earlier version")
	}
}

// TestChangeThatIsNotFollowed: a version counts as seen when all that is kept in
// memory has followed it.
func TestChangeThatIsNotFollowed(t *testing.T) {
	store, failing := &counted{version: 1}, error(nil)
	r, err := New(store, func(context.Context) error { return failing })
	if err != nil {
		t.Fatal(err)
	}
	first := view(t, r)
	store.version, failing = 2, errors.New("interrupted")
	if _, err := r.Fresh(t.Context()); !errors.Is(err, failing) {
		t.Errorf("the failure is lost: %v", err)
	}
	if held, err := r.View(t.Context()); err != nil || held != first {
		t.Errorf("the view has moved on: %v", err)
	}
	failing = nil
	if v := view(t, r); v.Version() != 2 {
		t.Errorf("version %d", v.Version())
	}
}

func TestOnlyGoodNewsIsRemembered(t *testing.T) {
	store := &counted{version: 1, denied: true}
	r, err := New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := view(t, r)
	for range 2 {
		if _, err := v.Client(t.Context(), "unknown"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("an unknown client: %v", err)
		}
		if denied, err := v.CertificateDenied(t.Context(), thumbprint.Thumbprint{1}); err != nil || !denied {
			t.Errorf("a denied certificate: %v, %v", denied, err)
		}
	}
	if store.reads != 4 {
		t.Errorf("%d reads, want 4: a refusal was remembered", store.reads)
	}
	store.denied = false
	for range 2 {
		if denied, err := v.CertificateDenied(t.Context(), thumbprint.Thumbprint{2}); err != nil || denied {
			t.Errorf("a certificate that is not denied: %v, %v", denied, err)
		}
	}
	if store.reads != 5 {
		t.Errorf("%d reads, want 5: the second one comes from memory", store.reads)
	}
	store.err = errors.New("no disk")
	if denied, err := v.CertificateDenied(t.Context(), thumbprint.Thumbprint{3}); err == nil || denied {
		t.Errorf("a database that fails: %v, %v", denied, err)
	}
	if _, err := r.Fresh(t.Context()); err == nil {
		t.Error("a version that cannot be read is no error")
	}
	if _, err := New(nil, nil); err == nil {
		t.Error("a registry without a store")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory[string, int]
	for i := range maxRemembered + 50 {
		if got, err := m.get(fmt.Sprint(i), func() (int, error) { return i, nil }); err != nil || got != i {
			t.Fatalf("%d, %v", got, err)
		}
	}
	if len(m.held) != maxRemembered {
		t.Errorf("%d are held, want %d", len(m.held), maxRemembered)
	}
}

func TestReadingKnowsWhetherItWasUsed(t *testing.T) {
	r, err := New(&counted{version: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reading := view(t, r).Read()
	if reading.Used() {
		t.Error("used before anything was read")
	}
	if _, err := reading.Client(t.Context(), "acme"); err != nil || !reading.Used() {
		t.Errorf("used: %v, error %v", reading.Used(), err)
	}
}

// owned is a store with one API for each first letter of a scope.
type owned struct{ counted }

func (o *owned) APIsOwningScopes(_ context.Context, scopes []string) ([]storage.API, error) {
	o.reads++
	var apis []storage.API
	for _, scope := range scopes {
		if scope[0] != 'x' {
			apis = append(apis, storage.API{ID: scope[:1], Audience: "https://" + scope[:1]})
		}
	}
	return apis, o.err
}

func (o *owned) APIByAudience(_ context.Context, audience string) (storage.API, error) {
	o.reads++
	return storage.API{ID: audience[len("https://"):], Audience: audience}, o.err
}

// TestScopesOfAClientsChoice: a client asks for each subset of its scopes, in each
// order, and memory holds what there are of scopes.
func TestScopesOfAClientsChoice(t *testing.T) {
	store := &owned{counted{version: 1}}
	r, err := New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := view(t, r)
	scopes := []string{"b1", "a1", "a2", "c1", "x1", "a3", "b2", "c2", "x2", "a4"}
	for subset := range 1 << len(scopes) {
		var asked []string
		want := map[string]bool{}
		for i, scope := range scopes {
			if subset&(1<<i) != 0 {
				asked = append(asked, scope)
				want[scope[:1]] = scope[0] != 'x'
			}
		}
		if subset%2 == 1 {
			slices.Reverse(asked)
		}
		apis, err := v.APIsOwningScopes(t.Context(), asked)
		if err != nil || !slices.IsSortedFunc(apis, func(a, b storage.API) int { return strings.Compare(a.ID, b.ID) }) {
			t.Fatalf("%q: %v, %v", asked, apis, err)
		}
		for _, api := range apis {
			if !want[api.ID] {
				t.Fatalf("%q: API %s", asked, api.ID)
			}
			delete(want, api.ID)
		}
		delete(want, "x")
		if len(want) != 0 {
			t.Fatalf("%q: %v, missing %v", asked, apis, want)
		}
	}
	if n, m := len(v.owner.held), len(v.byAudience.held); n != 8 || m != 3 {
		t.Errorf("%d owners and %d APIs are remembered, want 8 and 3", n, m)
	}
	store.err = errors.New("no disk")
	if _, err := v.APIsOwningScopes(t.Context(), []string{"d1"}); err == nil {
		t.Error("a database that fails is no error")
	}
}
