package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// nextKey is a key that does not sign yet.
func nextKey(kid string, created int) storage.SigningKey {
	k := activeKey(kid, created)
	k.Status, k.ActivatedAt = "next", time.Time{}
	return k
}

// rotate is a rotation: the active key steps back, the next one takes its place,
// and another one becomes next.
func rotate(ctx context.Context, tx storage.Tx, steps int) error {
	retired, active, next := activeKey("kid-1", 0), activeKey("kid-2", 1), nextKey("kid-3", 2)
	retired.Status, retired.RetiredAt, retired.ExpiresAt, retired.Sealed = "retired", at(60), at(3660), []byte("less")
	active.ActivatedAt = at(60)
	for _, step := range []func() error{
		func() error { return tx.UpdateSigningKey(ctx, retired) },
		func() error { return tx.UpdateSigningKey(ctx, active) },
		func() error { return tx.AddSigningKey(ctx, next) },
	}[:steps] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// testKeyRotation: a rotation that does not come to its end has not begun.
func testKeyRotation(t *testing.T, s storage.Store) {
	ctx := t.Context()
	first, second := activeKey("kid-1", 0), nextKey("kid-2", 1)
	second.DueAt = at(30)
	do(t, s, func(tx storage.Tx) error {
		return errors.Join(tx.AddSigningKey(ctx, first), tx.AddSigningKey(ctx, second))
	})
	before := must[[]storage.SigningKey](t)(s.SigningKeys(ctx))
	if len(before) != 2 || !before[1].DueAt.Equal(stored(30)) {
		t.Fatalf("keys %+v", before)
	}
	cut := errors.New("the process is gone")
	for steps := range 4 {
		if err := s.Update(ctx, func(tx storage.Tx) error { return errors.Join(rotate(ctx, tx, steps), cut) }); !errors.Is(err, cut) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		same(t, "keys after a rotation that was cut off", must[[]storage.SigningKey](t)(s.SigningKeys(ctx)), before)
	}
	do(t, s, func(tx storage.Tx) error { return rotate(ctx, tx, 3) })
	after := must[[]storage.SigningKey](t)(s.SigningKeys(ctx))
	want := []storage.SigningKey{before[0], before[1], nextKey("kid-3", 2)}
	want[0].Status, want[0].RetiredAt, want[0].ExpiresAt, want[0].Sealed = "retired", stored(60), stored(3660), []byte("less")
	want[1].Status, want[1].ActivatedAt, want[1].DueAt = "active", stored(60), time.Time{}
	want[2].CreatedAt = stored(2)
	same(t, "keys after the rotation", after, want)

	do(t, s, func(tx storage.Tx) error { return tx.RemoveSigningKey(ctx, "kid-1") })
	same(t, "keys after the removal", must[[]storage.SigningKey](t)(s.SigningKeys(ctx)), want[1:])
}

func testKeyRefusals(t *testing.T, s storage.Store) {
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		return errors.Join(tx.AddSigningKey(ctx, activeKey("kid-1", 0)), tx.AddSigningKey(ctx, nextKey("kid-2", 1)))
	})
	update := func(kid, status string) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			k := activeKey(kid, 0)
			k.Status = status
			return tx.UpdateSigningKey(ctx, k)
		}
	}
	checkRefused(t, s, []refused{
		{"a second active key", update("kid-2", "active"), storage.ErrConflict},
		{"a second next key", update("kid-1", "next"), storage.ErrConflict},
		{"unknown", update("kid-3", "active"), storage.ErrNotFound},
		{"unknown to remove", func(ctx context.Context, tx storage.Tx) error { return tx.RemoveSigningKey(ctx, "kid-3") }, storage.ErrNotFound},
	})
	for _, status := range []string{"lost", "retired", "revoked"} { // the last two lack their times
		if err := failing(t, s, update("kid-1", status)); err == nil {
			t.Errorf("status %q was accepted", status)
		}
	}
}
