package authz

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// TestOldLinksAreForgotten: an enrolment link can be read for 90 days after its end,
// used or not.
func TestOldLinksAreForgotten(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ended := []time.Duration{-time.Hour, 89 * 24 * time.Hour, 91 * 24 * time.Hour}
	if err := store.Update(t.Context(), func(tx storage.Tx) error { return withLinks(t.Context(), t, tx, now, ended) }); err != nil {
		t.Fatal(err)
	}
	s := &Server{store: store, clock: func() time.Time { return now }}
	if err := s.tidyCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := store.ClientEnrollments(t.Context(), "c")
	if err != nil || len(left) != 2 {
		t.Fatalf("%d links are left: %v", len(left), err)
	}
	for _, e := range left {
		if now.Sub(e.ExpiresAt) > forgetLinksAfter {
			t.Errorf("left: %+v", e)
		}
	}
}

// withLinks makes a client with a link for each time that has passed since its end.
func withLinks(ctx context.Context, t *testing.T, tx storage.Tx, now time.Time, ended []time.Duration) error {
	t.Helper()
	bundle := storage.TrustBundle{Name: "b", Status: storage.BundleActive, AnchorsPEM: string(keystest.NewCA(t, "CA").CertPEM()), ContentHash: "h", CreatedAt: now}
	_, err := tx.PutTrustBundle(ctx, bundle)
	all := []error{
		err,
		tx.CreatePartner(ctx, storage.Partner{ID: "p", CreatedAt: now, UpdatedAt: now}),
		tx.CreateClient(ctx, storage.Client{
			ID: "c", PartnerID: "p", Method: storage.TLSClientAuth, TrustBundle: "b", CreatedAt: now, UpdatedAt: now,
			Matcher: storage.Matcher{Kind: storage.SANDNS, Value: "c.test", Canonical: "c.test"},
		}),
	}
	for i, ago := range ended {
		all = append(all, tx.CreateEnrollment(ctx, storage.Enrollment{
			ID: fmt.Sprint(i), SecretHash: [32]byte{byte(i)}, ClientID: "c", TrustBundle: "b", SANKind: storage.SANDNS, SAN: "c.test",
			Lifetime: time.Hour, CreatedBy: "root", CreatedAt: now.Add(-ago).Add(-time.Hour), ExpiresAt: now.Add(-ago),
		}))
	}
	return errors.Join(all...)
}
