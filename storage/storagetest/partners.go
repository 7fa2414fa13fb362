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
	testLockout(t, s, want)
	for _, c := range []struct {
		after string
		limit int
		want  []string
	}{{"", 10, []string{"acme", "initech"}}, {"", 1, []string{"acme"}}, {"acme", 1, []string{"initech"}}, {"initech", 1, nil}} {
		var ids []string
		for _, p := range must[[]storage.Partner](t)(s.Partners(ctx, c.after, c.limit)) {
			same(t, p.ID, p, must[storage.Partner](t)(s.Partner(ctx, p.ID)))
			ids = append(ids, p.ID)
		}
		same(t, "page of partners", ids, c.want)
	}
	if _, err := s.Partners(ctx, "", 0); err == nil || err.Error() != "storage: partners: limit 0 is not positive" {
		t.Errorf("no limit: %v", err)
	}
	if p := must[storage.Partner](t)(s.Partner(ctx, "initech")); p.UpdatedAt != stored(0) {
		t.Errorf("UpdatedAt of a new record is %v, want CreatedAt", p.UpdatedAt)
	}
}

// testLockout: it is not what an administrator set with Disabled, and its clients
// show both alike.
func testLockout(t *testing.T, s storage.Store, want storage.Partner) {
	t.Helper()
	ctx := t.Context()
	client := selfSignedClient("locked")
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, client) })
	for _, c := range []struct {
		disabled, locked, shown bool
	}{{true, true, true}, {false, true, true}, {false, false, false}, {true, false, true}} {
		want.Disabled, want.LockedAt, want.LockReason = c.disabled, time.Time{}, ""
		if c.locked {
			want.LockedAt, want.LockReason = at(7), "stolen laptop"
		}
		do(t, s, func(tx storage.Tx) error { return tx.UpdatePartner(ctx, want) })
		want.Version++
		if c.locked {
			want.LockedAt = stored(7)
		}
		same(t, "partner", must[storage.Partner](t)(s.Partner(ctx, "acme")), want)
		if got := must[storage.Client](t)(s.Client(ctx, "locked")); got.PartnerDisabled != c.shown {
			t.Errorf("%+v: the client's partner is disabled: %v", c, got.PartnerDisabled)
		}
	}
}
