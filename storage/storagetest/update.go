package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/certbound/certbound/storage"
)

var errOwn = errors.New("the caller's own error")

func testUpdate(t *testing.T, s storage.Store) {
	ctx := t.Context()
	create := func(id string) func(storage.Tx) error {
		return func(tx storage.Tx) error { return tx.CreatePartner(ctx, partner(id)) }
	}

	t.Run("reads its own writes, others do not", func(t *testing.T) {
		do(t, s, func(tx storage.Tx) error {
			if err := create("acme")(tx); err != nil {
				return err
			}
			must[storage.Partner](t)(tx.Partner(ctx, "acme"))
			_, err := s.Partner(ctx, "acme")
			notFound(t, "read outside of the transaction", err)
			return nil
		})
		must[storage.Partner](t)(s.Partner(ctx, "acme"))
	})
	t.Run("an error rolls back and is returned as it is", func(t *testing.T) {
		err := s.Update(ctx, func(tx storage.Tx) error {
			if err := create("globex")(tx); err != nil {
				return err
			}
			return errOwn
		})
		if err != errOwn { //nolint:errorlint // nothing may be wrapped around it
			t.Errorf("got error %v, want the closure's own", err)
		}
		_, err = s.Partner(ctx, "globex")
		notFound(t, "rolled back partner", err)
	})
	t.Run("a panic rolls back", func(t *testing.T) {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = s.Update(ctx, func(tx storage.Tx) error {
				must[int](t)(0, create("globex")(tx))
				panic("closure")
			})
		}()
		_, err := s.Partner(ctx, "globex")
		notFound(t, "partner of a panic", err)
		do(t, s, create("after-panic"))
	})
	t.Run("an ignored conflict rolls back all the same", func(t *testing.T) {
		err := s.Update(ctx, func(tx storage.Tx) error {
			if err := create("globex")(tx); err != nil {
				return err
			}
			_ = tx.CreatePartner(ctx, partner("acme")) // taken
			if err := create("initech")(tx); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("a write after a failed one: got error %v", err)
			}
			return nil
		})
		if !errors.Is(err, storage.ErrConflict) {
			t.Errorf("got error %v, want the conflict", err)
		}
		_, err = s.Partner(ctx, "globex")
		notFound(t, "partner beside a conflict", err)
	})
	t.Run("reading what is not there fails nothing", func(t *testing.T) {
		do(t, s, func(tx storage.Tx) error {
			_, err := tx.Partner(ctx, "umbrella")
			notFound(t, "read", err)
			return create("umbrella")(tx)
		})
	})
	if err := s.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func testCancellation(t *testing.T, s storage.Store) {
	seed(t, s)
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range map[string]func() error{
		"Client":       func() error { _, err := s.Client(dead, "billing"); return err },
		"TrustBundles": func() error { _, err := s.TrustBundles(dead); return err },
		"Ping":         func() error { return s.Ping(dead) },
		"AuditEvents": func() error {
			_, err := s.AuditEvents(dead, storage.AuditQuery{PartnerID: "acme", Limit: 1})
			return err
		},
		"FeedEntries": func() error { _, err := s.FeedEntries(dead, 0, epoch, 1000); return err },
		"Update": func() error {
			return s.Update(dead, func(storage.Tx) error { t.Error("the closure ran"); return nil })
		},
	} {
		if err := read(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a dead context: got error %v, want context.Canceled", name, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx storage.Tx) error {
		if err := tx.CreatePartner(ctx, partner("late")); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update cancelled before its commit: got error %v, want context.Canceled", err)
	}
	_, err = s.Partner(t.Context(), "late")
	notFound(t, "partner of a cancelled Update", err)
	do(t, s, func(tx storage.Tx) error { return tx.CreatePartner(t.Context(), partner("later")) })
}

// testHostile: values come from strangers, and none may be taken for SQL.
func testHostile(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	for _, value := range []string{
		"'; DROP TABLE clients; --", "%", "_", "acme\x00", "\xff\xfe", strings.Repeat("a", 1<<20), "$1", "?", "accounts:read accounts:write",
	} {
		_, err := s.Client(ctx, value)
		notFound(t, "client", err)
		_, err = s.APIByAudience(ctx, value)
		notFound(t, "audience", err)
		if owners := must[[]storage.API](t)(s.APIsOwningScopes(ctx, []string{value, value, value})); len(owners) != 0 {
			t.Errorf("scope %.40q has owners %v", value, owners)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	many[999] = "accounts:read"
	if owners := must[[]storage.API](t)(s.APIsOwningScopes(ctx, many)); len(owners) != 1 {
		t.Errorf("a thousand scopes have owners %v", owners)
	}
	name := "O'Brien \"&\" Söhne \u202e\n"
	do(t, s, func(tx storage.Tx) error {
		p := partner("quotes")
		p.Name = name
		return tx.CreatePartner(ctx, p)
	})
	if p := must[storage.Partner](t)(s.Partner(ctx, "quotes")); p.Name != name {
		t.Errorf("name %q reads back as %q", name, p.Name)
	}
}
