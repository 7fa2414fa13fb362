package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/certbound/certbound/storage"
)

// crowd is how many callers meet.
const crowd = 50

// RunConcurrency tests what holds when many callers write and read at once.
func RunConcurrency(t *testing.T, newStore NewStore) {
	t.Run("OneWinner", func(t *testing.T) { testOneWinner(t, newStore(t)) })
	t.Run("LostUpdate", func(t *testing.T) { testLostUpdate(t, newStore(t)) })
	t.Run("BundleVersions", func(t *testing.T) { testBundleVersions(t, newStore(t)) })
	t.Run("WholeRecords", func(t *testing.T) { testWholeRecords(t, newStore(t)) })
	t.Run("OneHead", func(t *testing.T) { testOneHead(t, newStore(t)) })
	t.Run("ManyStreams", func(t *testing.T) { testManyStreams(t, newStore(t)) })
	t.Run("FeedOrder", func(t *testing.T) { testFeedOrder(t, newStore(t)) })
}

// together runs fn crowd times at once and returns the errors.
func together(fn func(i int) error) []error {
	errs := make([]error, crowd)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func testOneWinner(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, selfSignedClient("edge")) })
	for name, create := range map[string]func(i int, tx storage.Tx) error{
		"same partner id": func(_ int, tx storage.Tx) error { return tx.CreatePartner(ctx, partner("new")) },
		"same client id": func(i int, tx storage.Tx) error {
			return tx.CreateClient(ctx, pkiClient("same", fmt.Sprintf("uri:%d", i)))
		},
		"same matcher": func(i int, tx storage.Tx) error {
			return tx.CreateClient(ctx, pkiClient(fmt.Sprintf("client-%d", i), "uri:wanted-by-all"))
		},
		"same certificate": func(i int, tx storage.Tx) error { return tx.AddCertificate(ctx, certificate("edge", "shared", i)) },
		"same scope": func(i int, tx storage.Tx) error {
			return tx.CreateAPI(ctx, api(fmt.Sprintf("api-%d", i), "wanted:by-all"))
		},
		"active key": func(i int, tx storage.Tx) error { return tx.AddSigningKey(ctx, activeKey(fmt.Sprintf("kid-%d", i), i)) },
	} {
		t.Run(name, func(t *testing.T) {
			winners := 0
			for _, err := range together(func(i int) error {
				return s.Update(ctx, func(tx storage.Tx) error { return create(i, tx) })
			}) {
				switch {
				case err == nil:
					winners++
				case !errors.Is(err, storage.ErrConflict):
					t.Errorf("a loser got %v, want ErrConflict", err)
				}
			}
			if winners != 1 {
				t.Errorf("%d winners, want 1", winners)
			}
		})
	}
}

func testLostUpdate(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, pkiClient("billing", "uri:one")) })

	t.Run("read inside, write inside", func(t *testing.T) {
		for _, err := range together(func(int) error { return raiseGeneration(ctx, s) }) {
			if err != nil {
				t.Error(err)
			}
		}
		c := must[storage.Client](t)(s.Client(ctx, "billing"))
		if c.Generation != 1+crowd || c.Version != 1+crowd {
			t.Errorf("after %d raises: generation %d, version %d", crowd, c.Generation, c.Version)
		}
	})
	t.Run("read before, write inside", func(t *testing.T) {
		before := must[storage.Client](t)(s.Client(ctx, "billing"))
		before.Generation++
		winners := 0
		for _, err := range together(func(int) error {
			return s.Update(ctx, func(tx storage.Tx) error { return tx.UpdateClient(ctx, before) })
		}) {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, storage.ErrStale):
				t.Errorf("a loser got %v, want ErrStale", err)
			}
		}
		if winners != 1 {
			t.Errorf("%d winners, want 1", winners)
		}
	})
}

func raiseGeneration(ctx context.Context, s storage.Store) error {
	return s.Update(ctx, func(tx storage.Tx) error {
		c, err := tx.Client(ctx, "billing")
		if err != nil {
			return err
		}
		c.Generation++
		return tx.UpdateClient(ctx, c)
	})
}

func testBundleVersions(t *testing.T, s storage.Store) {
	ctx := t.Context()
	for _, err := range together(func(i int) error {
		return s.Update(ctx, func(tx storage.Tx) error {
			_, err := tx.PutTrustBundle(ctx, bundle("partners", fmt.Sprintf("anchors %d", i)))
			return err
		})
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	list := must[[]storage.TrustBundle](t)(s.TrustBundles(ctx))
	if len(list) != crowd {
		t.Fatalf("%d versions, want %d", len(list), crowd)
	}
	for i, b := range list {
		if b.Version != int64(i+1) || (b.Status == storage.BundleActive) != (i == crowd-1) {
			t.Errorf("version %d at place %d is %s", b.Version, i, b.Status)
		}
	}
}

// testWholeRecords: a reader sees a client before or after a change, never its
// old name with its new scopes.
func testWholeRecords(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	states := map[string][]string{"even": {"accounts:read"}, "odd": {"accounts:write", "payments:make"}}
	c := pkiClient("billing", "uri:one")
	c.Name, c.Scopes = "even", states["even"]
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, c) })
	for _, err := range together(func(i int) error {
		if i%5 == 0 {
			return flip(ctx, s, states)
		}
		for range 20 {
			got, err := s.Client(ctx, "billing")
			if err != nil {
				return err
			}
			if want := states[got.Name]; fmt.Sprint(got.Scopes) != fmt.Sprint(want) {
				return fmt.Errorf("client in state %q has scopes %q", got.Name, got.Scopes)
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
}

func flip(ctx context.Context, s storage.Store, states map[string][]string) error {
	return s.Update(ctx, func(tx storage.Tx) error {
		c, err := tx.Client(ctx, "billing")
		if err != nil {
			return err
		}
		c.Name = map[string]string{"even": "odd", "odd": "even"}[c.Name]
		c.Scopes = states[c.Name]
		return tx.UpdateClient(ctx, c)
	})
}
