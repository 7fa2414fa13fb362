package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

func testDenials(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	edge := certificate("edge", "edge", 0)
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreateClient(ctx, selfSignedClient("edge")); err != nil {
			return err
		}
		return tx.AddCertificate(ctx, edge)
	})
	want := func(x5t thumbprint.Thumbprint, want bool) {
		t.Helper()
		if got := must[bool](t)(s.CertificateDenied(ctx, x5t)); got != want {
			t.Errorf("denied: %v, want %v", got, want)
		}
	}
	deny := func(d storage.CertificateDenial) {
		t.Helper()
		do(t, s, func(tx storage.Tx) error { return tx.DenyCertificate(ctx, d) })
	}
	stored1 := func() storage.CertificateDenial {
		t.Helper()
		return must[storage.CertificateDenial](t)(s.CertificateDenial(ctx, edge.Thumbprint))
	}
	want(edge.Thumbprint, false)
	_, err := s.CertificateDenial(ctx, edge.Thumbprint)
	notFound(t, "no denial", err)

	// Unknown at first whose it is and until when.
	deny(storage.CertificateDenial{Thumbprint: edge.Thumbprint, Reason: "lost", CreatedAt: at(1)})
	want(edge.Thumbprint, true)
	want(thumbprint.Thumbprint{1}, false)
	expected := storage.CertificateDenial{Thumbprint: edge.Thumbprint, Reason: "lost", CreatedAt: stored(1)}
	same(t, "denial", stored1(), expected)

	again := storage.CertificateDenial{Thumbprint: edge.Thumbprint, ClientID: "edge", Reason: "stolen", CreatedAt: at(2), ExpiresAt: at(3600)}
	deny(again)
	expected.ClientID, expected.ExpiresAt = "edge", stored(3600)
	same(t, "denied twice", stored1(), expected)
	deny(storage.CertificateDenial{Thumbprint: edge.Thumbprint, Reason: "once more", CreatedAt: at(3)})
	same(t, "denied a third time, knowing less", stored1(), expected)

	// The denial is about the certificate, not about our having it registered.
	do(t, s, func(tx storage.Tx) error { return tx.RemoveCertificate(ctx, "edge", edge.Thumbprint) })
	want(edge.Thumbprint, true)

	lift := func(now time.Time) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error { return tx.LiftCertificate(ctx, edge.Thumbprint, now) }
	}
	if err := failing(t, s, lift(at(4))); err != nil {
		t.Fatal(err)
	}
	want(edge.Thumbprint, false)
	expected.LiftedAt = stored(4)
	same(t, "lifted", stored1(), expected)
	checkRefused(t, s, []refused{
		{"lifted twice", lift(at(5)), storage.ErrNotFound},
		{"lift what was never denied", func(ctx context.Context, tx storage.Tx) error {
			return tx.LiftCertificate(ctx, thumbprint.Thumbprint{1}, at(5))
		}, storage.ErrNotFound},
		{"no such client", func(ctx context.Context, tx storage.Tx) error {
			return tx.DenyCertificate(ctx, storage.CertificateDenial{Thumbprint: thumbprint.Thumbprint{1}, ClientID: "nobody", CreatedAt: epoch})
		}, storage.ErrConflict},
	})
	again.CreatedAt = at(6)
	deny(again)
	want(edge.Thumbprint, true)
	expected.Reason, expected.CreatedAt, expected.LiftedAt = "stolen", stored(6), time.Time{}
	same(t, "denied after it was lifted", stored1(), expected)

	if n := prune(t, s, at(1<<30)); n != 0 {
		t.Errorf("pruning the feed removed %d rows", n)
	}
	want(edge.Thumbprint, true)
}
