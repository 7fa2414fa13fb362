package storagetest

import (
	"errors"
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
	events := appendTo(t, s, "one", fullEvent(), fullEvent())
	lost := certificate("billing", "lost", 0).Thumbprint
	do(t, s, func(tx storage.Tx) error {
		return tx.DenyCertificate(ctx, storage.CertificateDenial{Thumbprint: lost, CreatedAt: epoch})
	})
	publish(t, s, denyToken("jti", 60), denyToken("other", 30))
	prune(t, s, stored(30))
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
	same(t, "chain after reopening", must[[]storage.AuditEvent](t)(s.AuditChain(ctx, events[0].StreamID, 0, 10)), events)
	if !must[bool](t)(s.CertificateDenied(ctx, lost)) || !must[bool](t)(s.Denied(ctx, storage.FeedToken, "jti", epoch)) {
		t.Error("a denial was forgotten")
	}
	wantFeed(t, s, 1, epoch, "delta to 2: ") // 2 was pruned before
	appendTo(t, s, "one", fullEvent())       // goes on from the head
	if seq := publish(t, s, denyToken("next", 60)); seq != 3 {
		t.Errorf("the next entry has number %d, want 3", seq)
	}
	wantChains(t, s, 3)
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
	for _, err := range together(func(i int) error {
		return []storage.Store{one, two}[i%2].Update(ctx, func(tx storage.Tx) error {
			stream, err := tx.AuditStreamFor(ctx, "shared", epoch)
			if err != nil {
				return err
			}
			_, feedErr := tx.AppendFeed(ctx, []storage.FeedEntry{denyToken("jti", 60)})
			return errors.Join(feedErr, tx.AppendAuditEvents(ctx, stream.ID, chained(stream, fullEvent())))
		})
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, s := range []storage.Store{one, two} {
		wantChains(t, s, crowd)
		if seq := must[int64](t)(s.FeedSeq(ctx)); seq != crowd {
			t.Errorf("the feed ends at %d, want %d", seq, crowd)
		}
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
