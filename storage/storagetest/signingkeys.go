package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

func testSigningKeys(t *testing.T, s storage.Store) {
	ctx := t.Context()
	if none := must[[]storage.SigningKey](t)(s.SigningKeys(ctx)); none == nil || len(none) != 0 {
		t.Errorf("no keys read as %#v, want an empty slice", none)
	}

	next := activeKey("kid-next", 10)
	next.Status, next.ActivatedAt = "next", time.Time{}
	retired := activeKey("kid-retired", 0)
	retired.Status, retired.RetiredAt, retired.ExpiresAt = "retired", at(20), at(3600)
	otherPurpose := activeKey("kid-feed", 30)
	otherPurpose.Purpose = "revocation_feed"
	otherAlgorithm := activeKey("kid-rsa", 40)
	otherAlgorithm.Algorithm = "RS256"
	all := []storage.SigningKey{next, retired, activeKey("kid-active", 5), otherPurpose, otherAlgorithm}
	do(t, s, func(tx storage.Tx) error {
		for _, k := range all {
			if err := tx.AddSigningKey(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})

	retired.CreatedAt, retired.ActivatedAt, retired.RetiredAt, retired.ExpiresAt = stored(0), stored(0), stored(20), stored(3600)
	active := activeKey("kid-active", 5)
	active.CreatedAt, active.ActivatedAt = stored(5), stored(5)
	next.CreatedAt = stored(10)
	otherPurpose.CreatedAt, otherPurpose.ActivatedAt = stored(30), stored(30)
	otherAlgorithm.CreatedAt, otherAlgorithm.ActivatedAt = stored(40), stored(40)
	want := []storage.SigningKey{retired, active, next, otherPurpose, otherAlgorithm}
	same(t, "keys, oldest first", must[[]storage.SigningKey](t)(s.SigningKeys(ctx)), want)

	add := func(change func(*storage.SigningKey)) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			k := activeKey("kid-new", 50)
			change(&k)
			return tx.AddSigningKey(ctx, k)
		}
	}
	checkRefused(t, s, []refused{
		{"second active key", add(func(*storage.SigningKey) {}), storage.ErrConflict},
		{"second next key", add(func(k *storage.SigningKey) { k.Status, k.ActivatedAt = "next", time.Time{} }), storage.ErrConflict},
		{"kid known", add(func(k *storage.SigningKey) { k.KID, k.Status = "kid-retired", "next" }), storage.ErrConflict},
	})
	for name, change := range map[string]func(*storage.SigningKey){
		"unknown status":             func(k *storage.SigningKey) { k.Status = "lost" },
		"retired for ever":           func(k *storage.SigningKey) { k.Status, k.RetiredAt = "retired", epoch },
		"nothing sealed":             func(k *storage.SigningKey) { k.Status, k.Sealed = "next", nil },
		"revoked, nobody knows when": func(k *storage.SigningKey) { k.Status = "revoked" },
		"revoked and active":         func(k *storage.SigningKey) { k.KID, k.Algorithm, k.RevokedAt = "k", "EdDSA", epoch },
		"active and due":             func(k *storage.SigningKey) { k.KID, k.Algorithm, k.DueAt = "k", "EdDSA", epoch },
		"no key-encryption id":       func(k *storage.SigningKey) { k.Status, k.KEKID = "next", "" },
	} {
		t.Run(name, func(t *testing.T) {
			if err := failing(t, s, add(change)); err == nil {
				t.Error("accepted")
			}
		})
	}
}
