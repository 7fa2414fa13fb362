package storagetest

import (
	"testing"

	"github.com/certbound/certbound/storage"
)

// RunReopen tests several handles on one database, one after the other and at
// once. newPlace makes a place for a database; what it returns opens the
// database there, without closing it at the end of the test.
func RunReopen(t *testing.T, newPlace func(t testing.TB) NewStore) {
	t.Run("Durable", func(t *testing.T) { testDurable(t, newPlace(t)) })
	t.Run("TwoHandles", func(t *testing.T) { testTwoHandles(t, newPlace(t)) })
	t.Run("OpenTogether", func(t *testing.T) { testOpenTogether(t, newPlace(t)) })
}

func closeStore(t testing.TB, s storage.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func testDurable(t *testing.T, open NewStore) {
	s := open(t)
	seed(t, s)
	ctx := t.Context()
	c := pkiClient("billing", "uri:one")
	c.Scopes = []string{"accounts:read"}
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, c) })
	before := must[storage.Client](t)(s.Client(ctx, "billing"))
	closeStore(t, s)
	if _, err := s.Client(ctx, "billing"); err == nil {
		t.Error("a closed store answers")
	}
	if err := s.Ping(ctx); err == nil {
		t.Error("a closed store answers Ping")
	}

	s = open(t)
	defer closeStore(t, s)
	same(t, "client after reopening", must[storage.Client](t)(s.Client(ctx, "billing")), before)
}

// testTwoHandles: as two processes, whose writes wait for each other.
func testTwoHandles(t *testing.T, open NewStore) {
	one, two := open(t), open(t)
	defer closeStore(t, one)
	defer closeStore(t, two)
	seed(t, one)
	ctx := t.Context()
	do(t, two, func(tx storage.Tx) error { return tx.CreateClient(ctx, pkiClient("billing", "uri:one")) })
	for _, err := range together(func(i int) error { return raiseGeneration(ctx, []storage.Store{one, two}[i%2]) }) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, s := range []storage.Store{one, two} {
		if c := must[storage.Client](t)(s.Client(ctx, "billing")); c.Generation != 1+crowd {
			t.Errorf("generation %d after %d raises through two handles", c.Generation, crowd)
		}
	}
}

// testOpenTogether: processes started at once on an empty database all come up.
func testOpenTogether(t *testing.T, open NewStore) {
	const processes = 8
	stores := make([]storage.Store, crowd)
	together(func(i int) error {
		if i < processes {
			stores[i] = open(t)
		}
		return nil
	})
	for i, s := range stores[:processes] {
		if s == nil {
			t.Fatalf("store %d did not open", i)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("store %d: Ping: %v", i, err)
		}
		closeStore(t, s)
	}
}
