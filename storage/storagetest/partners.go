package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

func testPartners(t *testing.T, s storage.Store) {
	ctx := t.Context()
	_, err := s.Partner(ctx, "acme")
	notFound(t, "unknown partner", err)

	given := partner("acme")
	given.Version = 77 // the store counts, not the caller
	do(t, s, func(tx storage.Tx) error { return tx.CreatePartner(ctx, given) })
	want := storage.Partner{ID: "acme", Name: "The acme", Version: 1, CreatedAt: stored(0), UpdatedAt: stored(0)}
	got := must[storage.Partner](t)(s.Partner(ctx, "acme"))
	same(t, "created partner", got, want)
	_, err = s.Partner(ctx, "ACME")
	notFound(t, "ids are case-sensitive", err)

	changed := storage.Partner{ID: "acme", Name: "Acme Ltd", Disabled: true, Version: 1, CreatedAt: at(99), UpdatedAt: at(5)}
	do(t, s, func(tx storage.Tx) error { return tx.UpdatePartner(ctx, changed) })
	want.Name, want.Disabled, want.Version, want.UpdatedAt = "Acme Ltd", true, 2, stored(5)
	same(t, "changed partner", must[storage.Partner](t)(s.Partner(ctx, "acme")), want)

	checkRefused(t, s, []refused{
		{"id taken", func(ctx context.Context, tx storage.Tx) error { return tx.CreatePartner(ctx, partner("acme")) }, storage.ErrConflict},
		{"old version", func(ctx context.Context, tx storage.Tx) error { return tx.UpdatePartner(ctx, changed) }, storage.ErrStale},
		{"unknown", func(ctx context.Context, tx storage.Tx) error { return tx.UpdatePartner(ctx, partner("globex")) }, storage.ErrNotFound},
	})
	same(t, "partner after refused writes", must[storage.Partner](t)(s.Partner(ctx, "acme")), want)

	do(t, s, func(tx storage.Tx) error {
		p := partner("initech")
		p.UpdatedAt = time.Time{}
		return tx.CreatePartner(ctx, p)
	})
	if p := must[storage.Partner](t)(s.Partner(ctx, "initech")); p.UpdatedAt != stored(0) {
		t.Errorf("UpdatedAt of a new record is %v, want CreatedAt", p.UpdatedAt)
	}
}
