package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// testKeySets: a key set follows its client's JWKSURI, and is handed out in the
// order of its dates.
func testKeySets(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		for _, id := range []string{"a", "b", "c"} {
			c := selfSignedClient(id)
			c.JWKSURI = "https://" + id + ".example/jwks"
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
		}
		return tx.CreateClient(ctx, selfSignedClient("plain"))
	})
	_, err := s.KeySet(ctx, "plain")
	notFound(t, "a client without an address", err)
	begun := storage.KeySet{ClientID: "a", URI: "https://a.example/jwks", DueAt: time.Unix(0, 0).UTC()}
	same(t, "a new one", must[storage.KeySet](t)(s.KeySet(ctx, "a")), begun)
	if c := must[storage.Client](t)(s.Client(ctx, "a")); c.JWKSURI != begun.URI {
		t.Errorf("the client has %q", c.JWKSURI)
	}

	state := map[string]storage.KeySet{
		"a": {ClientID: "a", URI: "https://a.example/jwks", DueAt: stored(30), BegunAt: stored(1), ReadAt: stored(2), Problem: "one key has no x5c"},
		"b": {ClientID: "b", URI: "https://b.example/jwks", DueAt: stored(10), BegunAt: stored(3), Failures: 2, Problem: "404"},
		"c": {ClientID: "c", URI: "https://c.example/jwks", DueAt: stored(20), Failures: 1},
	}
	put := func(k storage.KeySet) {
		t.Helper()
		do(t, s, func(tx storage.Tx) error { return tx.UpdateKeySet(ctx, k) })
	}
	for _, k := range state {
		put(k)
		same(t, "written", must[storage.KeySet](t)(s.KeySet(ctx, k.ClientID)), k)
	}
	due := func(now, limit int, want ...string) {
		t.Helper()
		var ids []string
		for _, k := range must[[]storage.KeySet](t)(s.DueKeySets(ctx, at(now), limit)) {
			ids = append(ids, k.ClientID)
		}
		same(t, "due", ids, want)
	}
	due(9, 5)
	due(10, 5, "b")
	due(30, 5, "b", "c", "a")
	due(30, 2, "b", "c")
	same(t, "failing", must[[]storage.KeySet](t)(s.FailingKeySets(ctx, 9)), []storage.KeySet{state["b"], state["c"]})
	same(t, "failing, one", must[[]storage.KeySet](t)(s.FailingKeySets(ctx, 1)), []storage.KeySet{state["b"]})

	testKeySetFollows(t, s, state)
	missing := state["a"]
	missing.ClientID = "plain"
	other := state["b"]
	other.URI = "https://other.example"
	checkRefused(t, s, []refused{
		{"no key set", func(ctx context.Context, tx storage.Tx) error { return tx.UpdateKeySet(ctx, missing) }, storage.ErrNotFound},
		{"another address", func(ctx context.Context, tx storage.Tx) error { return tx.UpdateKeySet(ctx, other) }, storage.ErrNotFound},
	})
	for _, err := range []error{second(s.DueKeySets(ctx, at(1), 0)), second(s.FailingKeySets(ctx, 0))} {
		if err == nil {
			t.Error("a limit of 0 is accepted")
		}
	}
}

func second[T any](_ T, err error) error { return err }

func testKeySetFollows(t *testing.T, s storage.Store, state map[string]storage.KeySet) {
	t.Helper()
	ctx := t.Context()
	update := func(id string, change func(*storage.Client)) {
		t.Helper()
		do(t, s, func(tx storage.Tx) error {
			c := must[storage.Client](t)(tx.Client(ctx, id))
			change(&c)
			return tx.UpdateClient(ctx, c)
		})
	}
	update("b", func(c *storage.Client) { c.Name = "renamed" })
	same(t, "another name, the same address", must[storage.KeySet](t)(s.KeySet(ctx, "b")), state["b"])
	update("c", func(c *storage.Client) { c.JWKSURI = "https://new.example/jwks" })
	same(t, "another address", must[storage.KeySet](t)(s.KeySet(ctx, "c")),
		storage.KeySet{ClientID: "c", URI: "https://new.example/jwks", DueAt: time.Unix(0, 0).UTC()})
	update("a", func(c *storage.Client) { c.JWKSURI = "" })
	_, err := s.KeySet(ctx, "a")
	notFound(t, "an address that was taken away", err)
}
