package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// testGenerations: locking a partner out reaches each of its clients and nobody
// else's.
func testGenerations(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreatePartner(ctx, partner("globex")); err != nil {
			return err
		}
		theirs := selfSignedClient("globex-app")
		theirs.PartnerID = "globex"
		ours := pkiClient("billing", "uri:one")
		ours.Scopes = []string{"accounts:read"}
		for _, c := range []storage.Client{theirs, ours, selfSignedClient("edge")} {
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
		}
		edge := must[storage.Client](t)(tx.Client(ctx, "edge"))
		edge.Generation = 6
		return tx.UpdateClient(ctx, edge)
	})
	before := map[string]storage.Client{}
	for _, id := range []string{"billing", "edge", "globex-app"} {
		before[id] = must[storage.Client](t)(s.Client(ctx, id))
	}

	do(t, s, func(tx storage.Tx) error {
		if err := tx.RaiseGenerations(ctx, "acme", at(9)); err != nil {
			return err
		}
		// Seen at once within the transaction, as an update after it needs.
		if c := must[storage.Client](t)(tx.Client(ctx, "edge")); c.Generation != 7 {
			t.Errorf("generation %d in the transaction, want 7", c.Generation)
		}
		return nil
	})
	for _, id := range []string{"billing", "edge"} {
		want := before[id]
		want.Generation, want.Version, want.UpdatedAt = want.Generation+1, want.Version+1, stored(9)
		same(t, id, must[storage.Client](t)(s.Client(ctx, id)), want)
	}
	same(t, "a client of another partner", must[storage.Client](t)(s.Client(ctx, "globex-app")), before["globex-app"])

	do(t, s, func(tx storage.Tx) error {
		if err := tx.RaiseGenerations(ctx, "nobody", at(9)); err != nil {
			return err
		}
		return tx.RaiseGenerations(ctx, "acme", time.Time{})
	})
	if c := must[storage.Client](t)(s.Client(ctx, "billing")); c.Generation != 3 || c.UpdatedAt != stored(9) {
		t.Errorf("generation %d, updated %v: want 3, and the time left alone", c.Generation, c.UpdatedAt)
	}
}

// testGeneration: disabling one client reaches no other.
func testGeneration(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreateClient(ctx, selfSignedClient("edge")); err != nil {
			return err
		}
		return tx.CreateClient(ctx, selfSignedClient("other"))
	})
	want, other := must[storage.Client](t)(s.Client(ctx, "edge")), must[storage.Client](t)(s.Client(ctx, "other"))
	for _, updatedAt := range []time.Time{at(9), {}} { // the zero time leaves it alone
		do(t, s, func(tx storage.Tx) error {
			generation, err := tx.RaiseGeneration(ctx, "edge", updatedAt)
			want.Generation, want.Version, want.UpdatedAt = want.Generation+1, want.Version+1, stored(9)
			if generation != want.Generation {
				t.Errorf("generation %d, want %d", generation, want.Generation)
			}
			return err
		})
		same(t, "edge", must[storage.Client](t)(s.Client(ctx, "edge")), want)
	}
	same(t, "another client", must[storage.Client](t)(s.Client(ctx, "other")), other)
	checkRefused(t, s, []refused{{"no such client", func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.RaiseGeneration(ctx, "nobody", at(9))
		return err
	}, storage.ErrNotFound}})
}
