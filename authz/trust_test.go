package authz_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// put stores a version of a bundle the way an older program with other rules
// may have done.
func (w *world) put(t *testing.T, anchors string) {
	t.Helper()
	w.update(t, func(tx storage.Tx) error {
		_, err := tx.PutTrustBundle(t.Context(), storage.TrustBundle{
			Name: "partners", ContentHash: "h", AnchorsPEM: anchors, CreatedAt: w.clock(),
		})
		return err
	})
}

// TestStoredBundleThatDoesNotLoad: an active one stops everything, a retired one
// nothing but its own reason.
func TestStoredBundleThatDoesNotLoad(t *testing.T) {
	w := newWorld(t)
	w.put(t, "not a certificate")
	err := w.server.ReloadTrust(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "authz: trust bundle partners@2: trust: bundle partners: anchors: ") {
		t.Errorf("an active bundle that does not load: %v", err)
	}
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("the bundles that were in force are gone: %s", a.text)
	}

	w.put(t, string(w.partners.CertPEM()))
	if err := w.server.ReloadTrust(t.Context()); err != nil {
		t.Fatalf("a retired bundle stops the server: %v", err)
	}
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("%s", a.text)
	}
	if log := w.log.text(); !strings.Contains(log, `"msg":"retired_bundle_skipped","trust_bundle":"partners","version":2,"detail":"trust: bundle partners: anchors: `) {
		t.Errorf("it was skipped silently:\n%s", log)
	}
}

func TestCheckIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://as.example":       "",
		"https://as.example/a":     "",
		"http://as.example":        `metadata: issuer "http://as.example" is not an https URL`,
		"https://as.example/":      `metadata: issuer "https://as.example/" ends in a slash; leave it out`,
		"https://as.example?a=b":   `metadata: issuer "https://as.example?a=b" has a query or a fragment`,
		"https://as.example/a%2fb": `metadata: issuer "https://as.example/a%2fb" has escapes in its path`,
	} {
		got := ""
		if err := authz.CheckIssuer(issuer); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CheckIssuer(%q) = %s, want %s", issuer, got, want)
		}
	}
}

// unreadable is a database of which the trust bundles cannot be read for a while.
type unreadable struct {
	storage.Store
	broken atomic.Bool
}

func (u *unreadable) TrustBundleStates(ctx context.Context) ([]storage.TrustBundle, error) {
	if u.broken.Load() {
		return nil, errors.New("interrupted")
	}
	return u.Store.TrustBundleStates(ctx)
}

// TestNoTokenOnBundlesThatCouldNotBeRead: a change of the registration is not taken
// for seen while what came with it is unknown. It was, and a caller who hung up at
// the right moment had the next tokens rest on a bundle that was retired before.
func TestNoTokenOnBundlesThatCouldNotBeRead(t *testing.T) {
	broken := &unreadable{}
	w := newWorld(t, func(store storage.Store) storage.Store {
		broken.Store = store
		return broken
	})
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.text)
	}
	broken.broken.Store(true)
	w.put(t, string(keystest.NewCA(t, "Next CA").CertPEM()))
	for range 3 {
		if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusServiceUnavailable || a.body.Reason != decision.StorageUnavailable {
			t.Errorf("bundles unknown: %d %s", a.status, a.text)
		}
	}
	broken.broken.Store(false)
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusUnauthorized {
		t.Errorf("bundles known: %d %s", a.status, a.text)
	}
}
