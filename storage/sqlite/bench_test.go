package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// BenchmarkClient is the read that every token request makes.
func BenchmarkClient(b *testing.B) {
	s, ctx := newStore(b), b.Context()
	err := s.Update(ctx, func(tx storage.Tx) error {
		err := tx.CreatePartner(ctx, storage.Partner{ID: "acme", CreatedAt: time.Unix(1, 0)})
		if err != nil {
			return err
		}
		a := storage.API{ID: "accounts", Audience: "a", Scopes: []string{"accounts:read", "accounts:write"}, CreatedAt: time.Unix(1, 0)}
		if err := tx.CreateAPI(ctx, a); err != nil {
			return err
		}
		for i := range 1000 {
			err := tx.CreateClient(ctx, storage.Client{
				ID: fmt.Sprintf("client-%d", i), PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth,
				Scopes: a.Scopes, CreatedAt: time.Unix(1, 0),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		i++
		if _, err := s.Client(ctx, fmt.Sprintf("client-%d", i%1000)); err != nil {
			b.Fatal(err)
		}
	}
}
