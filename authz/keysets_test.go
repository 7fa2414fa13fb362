package authz_test

import (
	"fmt"
	"testing"

	"github.com/certbound/certbound/storage"
)

// TestKeySetsCurrent names those that fail, not all of many.
func TestKeySetsCurrent(t *testing.T) {
	w := newWorld(t)
	expect := func(want string) {
		t.Helper()
		got := ""
		if err := w.server.KeySetsCurrent(t.Context()); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	add := func(id string, failures int64) {
		t.Helper()
		w.update(t, func(tx storage.Tx) error {
			err := tx.CreateClient(t.Context(), storage.Client{
				ID: id, PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth, JWKSURI: "https://acme.example/jwks", CreatedAt: w.clock(),
			})
			if err != nil {
				return err
			}
			k, err := tx.KeySet(t.Context(), id)
			if err != nil {
				return err
			}
			k.Failures = failures
			return tx.UpdateKeySet(t.Context(), k)
		})
	}
	add("good", 0)
	expect("")
	add("bad-1", 1)
	expect("the jwks_uri cannot be read of: bad-1")
	for i := range 5 {
		add(fmt.Sprint("bad-", i+2), 3)
	}
	expect("the jwks_uri cannot be read of: bad-1, bad-2, bad-3, bad-4, bad-5, …")
}
