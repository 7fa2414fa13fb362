package authz_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

func TestMeasures(t *testing.T) {
	w := newWorld(t)
	begun := w.now
	retired := func(kid string, until time.Time) storage.SigningKey {
		return storage.SigningKey{
			KID: kid, Purpose: "another", Algorithm: "ES256", Status: "retired", PublicJWK: "{}", KEKID: "k1", Sealed: []byte("x"),
			CreatedAt: begun.Add(-time.Hour), ActivatedAt: begun.Add(-time.Hour), RetiredAt: begun, ExpiresAt: until,
		}
	}
	err := w.store.Update(t.Context(), func(tx storage.Tx) error {
		if err := tx.AddSigningKey(t.Context(), retired("published", begun.Add(time.Hour))); err != nil {
			return err
		}
		if err := tx.AddSigningKey(t.Context(), retired("gone", begun)); err != nil {
			return err
		}
		_, err := tx.AppendFeed(t.Context(), []storage.FeedEntry{{
			Kind: storage.FeedToken, Action: storage.FeedDeny, Subject: "jti", CreatedAt: begun, ExpiresAt: begun.Add(time.Hour),
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.server.Stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The certificate of edge ends in a day.
	want := authz.Stored{FeedSeq: got.FeedSeq, CertificatesExpiring: 1, SigningKeys: []authz.KeyCount{
		{Purpose: "access_token", State: "active", Count: 1, Since: begun},
		{Purpose: "access_token", State: "next", Count: 1},
		{Purpose: "another", State: "retired", Count: 1, Since: begun.Add(-time.Hour)},
		{Purpose: audit.CheckpointPurpose, State: "active", Count: 1, Since: begun},
		{Purpose: audit.CheckpointPurpose, State: "next", Count: 1},
		{Purpose: authz.FeedPurpose, State: "active", Count: 1, Since: begun},
		{Purpose: authz.FeedPurpose, State: "next", Count: 1},
	}}
	if diff := cmp.Diff(want, got); diff != "" || got.FeedSeq < 1 {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	for name, ca := range map[string]time.Time{"partners": w.partners.Cert.NotAfter, "globex": w.globex.Cert.NotAfter} {
		if end := w.server.TrustAnchors()[name]; !end.Equal(ca) {
			t.Errorf("the anchors of %s end %v, want %v", name, end, ca)
		}
	}
	w.token(&w.acme, "acme-billing")
	if stats := w.server.AuditStats(); stats.Committed != 1 || w.server.FeedWaiting() != 0 {
		t.Errorf("%+v, %d followers wait", stats, w.server.FeedWaiting())
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.server.Stored(t.Context()); err == nil {
		t.Error("a database that is closed still counts")
	}
}
