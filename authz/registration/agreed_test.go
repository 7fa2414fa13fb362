package registration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

// TestBundlesAgreed: where two administrators have to agree, a seed brings trust
// bundles as long as there is no administrator, and none that differs from then on.
func TestBundlesAgreed(t *testing.T) {
	store, now := newStore(t), time.Now()
	apply := func(ca *keystest.CA) error {
		set := &Set{BundlesAgreed: true, TrustBundles: []TrustBundle{{Name: "partners", Anchors: string(ca.CertPEM())}}}
		return set.Apply(t.Context(), store, now)
	}
	first, second := keystest.NewCA(t, "First"), keystest.NewCA(t, "Second")
	if err := errors.Join(apply(first), apply(second), apply(first)); err != nil {
		t.Fatalf("before there is an administrator: %v", err)
	}
	err := store.Update(t.Context(), func(tx storage.Tx) error {
		return tx.CreateAPI(context.Background(), storage.API{ID: AdminAPI, Audience: "https://as.example/admin", CreatedAt: now})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(first); err != nil {
		t.Errorf("the same: %v", err)
	}
	if err := apply(second); err == nil || !strings.Contains(err.Error(), `trust_bundles[0] "partners": it differs from what is in force`) {
		t.Errorf("another one: %v", err)
	}
	versions, err := store.TrustBundleVersions(t.Context(), "partners")
	if err != nil || len(versions) != 3 {
		t.Errorf("%d versions, error %v", len(versions), err)
	}
}
