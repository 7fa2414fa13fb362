package storagetest

import (
	"context"
	"testing"

	"github.com/certbound/certbound/storage"
)

func testCertificates(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreateClient(ctx, selfSignedClient("edge")); err != nil {
			return err
		}
		if err := tx.CreateClient(ctx, selfSignedClient("other")); err != nil {
			return err
		}
		for _, c := range []storage.Certificate{
			certificate("edge", "newest", 20), certificate("edge", "oldest", 0), certificate("edge", "middle", 10),
			certificate("other", "theirs", 5),
		} {
			if err := tx.AddCertificate(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})

	var want []storage.Certificate
	for i, content := range []string{"oldest", "middle", "newest"} {
		c := certificate("edge", content, i*10)
		c.NotBefore, c.NotAfter, c.CreatedAt = stored(i*10-60), stored(i*10+3600), stored(i*10)
		want = append(want, c)
	}
	same(t, "certificates", must[[]storage.Certificate](t)(s.ClientCertificates(ctx, "edge")), want)

	for _, c := range want {
		same(t, "certificate by thumbprint", must[storage.Certificate](t)(s.Certificate(ctx, c.Thumbprint)), c)
	}
	_, err := s.Certificate(ctx, certificate("edge", "fresh", 0).Thumbprint)
	notFound(t, "unknown certificate", err)

	none := must[[]storage.Certificate](t)(s.ClientCertificates(ctx, "nobody"))
	if none == nil || len(none) != 0 {
		t.Errorf("no certificates read as %#v, want an empty slice", none)
	}

	checkRefused(t, s, []refused{
		{"registered for this client", func(ctx context.Context, tx storage.Tx) error {
			return tx.AddCertificate(ctx, certificate("edge", "oldest", 0))
		}, storage.ErrConflict},
		{"registered for another", func(ctx context.Context, tx storage.Tx) error {
			return tx.AddCertificate(ctx, certificate("edge", "theirs", 0))
		}, storage.ErrConflict},
		{"no such client", func(ctx context.Context, tx storage.Tx) error {
			return tx.AddCertificate(ctx, certificate("nobody", "fresh", 0))
		}, storage.ErrConflict},
		{"remove what is not there", func(ctx context.Context, tx storage.Tx) error {
			return tx.RemoveCertificate(ctx, "edge", certificate("edge", "fresh", 0).Thumbprint)
		}, storage.ErrNotFound},
		{"remove another client's", func(ctx context.Context, tx storage.Tx) error {
			return tx.RemoveCertificate(ctx, "edge", certificate("other", "theirs", 5).Thumbprint)
		}, storage.ErrNotFound},
	})

	do(t, s, func(tx storage.Tx) error { return tx.RemoveCertificate(ctx, "edge", want[1].Thumbprint) })
	same(t, "certificates without the middle one",
		must[[]storage.Certificate](t)(s.ClientCertificates(ctx, "edge")), []storage.Certificate{want[0], want[2]})
	// What was removed may be registered again, by whomever.
	do(t, s, func(tx storage.Tx) error { return tx.AddCertificate(ctx, certificate("other", "middle", 10)) })
	if theirs := must[[]storage.Certificate](t)(s.ClientCertificates(ctx, "other")); len(theirs) != 2 {
		t.Errorf("the other client has %d certificates, want 2", len(theirs))
	}
}
