package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

func testAPIs(t *testing.T, s storage.Store) {
	ctx := t.Context()
	_, err := s.API(ctx, "accounts")
	notFound(t, "unknown API", err)

	seed(t, s)
	ledger := api("ledger", "ledger:write", "ledger:read") // not sorted
	ledger.ResourceServers = []string{"rs-2", "rs-1"}
	ledger.Version, ledger.SigningAlg = 9, "PS256"
	do(t, s, func(tx storage.Tx) error {
		for _, id := range ledger.ResourceServers {
			if err := tx.CreateClient(ctx, selfSignedClient(id)); err != nil {
				return err
			}
		}
		return tx.CreateAPI(ctx, ledger)
	})
	want := ledger
	want.Scopes, want.ResourceServers = []string{"ledger:read", "ledger:write"}, []string{"rs-1", "rs-2"}
	want.Version, want.CreatedAt, want.UpdatedAt = 1, stored(0), stored(0)
	same(t, "API by id", must[storage.API](t)(s.API(ctx, "ledger")), want)
	same(t, "API by audience", must[storage.API](t)(s.APIByAudience(ctx, "https://ledger.example")), want)
	for _, audience := range []string{"https://ledger.example/", "https://LEDGER.example", ""} {
		_, err := s.APIByAudience(ctx, audience)
		notFound(t, fmt.Sprintf("audience %q", audience), err)
	}

	same(t, "algorithms", must[[]string](t)(s.SigningAlgorithms(ctx)), []string{"PS256"})
	for _, c := range []struct{ ask, want []string }{
		{nil, nil},
		{[]string{"nobody:owns"}, nil},
		{[]string{"ledger:read"}, []string{"ledger"}},
		{[]string{"ledger:read", "ledger:write", "nobody:owns"}, []string{"ledger"}},
		{[]string{"payments:make", "ledger:read", "accounts:write"}, []string{"accounts", "ledger", "payments"}},
	} {
		var got []string
		for _, a := range must[[]storage.API](t)(s.APIsOwningScopes(ctx, c.ask)) {
			got = append(got, a.ID)
		}
		same(t, fmt.Sprintf("owners of %q", c.ask), got, c.want)
	}

	checkRefused(t, s, []refused{
		{"id taken", createAPI(func(a *storage.API) { a.ID = "ledger" }), storage.ErrConflict},
		{"audience taken", createAPI(func(a *storage.API) { a.Audience = "https://ledger.example" }), storage.ErrConflict},
		{"scope taken", createAPI(func(a *storage.API) { a.Scopes = []string{"new:read", "ledger:read"} }), storage.ErrConflict},
		{"no such resource server", createAPI(func(a *storage.API) { a.ResourceServers = []string{"rs-1", "rs-3"} }), storage.ErrConflict},
	})
	for name, change := range map[string]func(*storage.API){
		"half a second":      func(a *storage.API) { a.TokenLifetime = 500 * time.Millisecond },
		"more than an hour":  func(a *storage.API) { a.TokenLifetime = time.Hour + time.Second },
		"negative lifetime":  func(a *storage.API) { a.TokenLifetime = -time.Second },
		"scope with a space": func(a *storage.API) { a.Scopes = []string{"two words"} },
		"scope with a quote": func(a *storage.API) { a.Scopes = []string{`a"b`} },
		"no audience":        func(a *storage.API) { a.Audience = "" },
	} {
		t.Run(name, func(t *testing.T) {
			if err := failing(t, s, createAPI(change)); err == nil {
				t.Error("accepted")
			}
		})
	}
	_, err = s.API(ctx, "new")
	notFound(t, "a refused API", err)
}

func createAPI(change func(*storage.API)) func(context.Context, storage.Tx) error {
	return func(ctx context.Context, tx storage.Tx) error {
		a := api("new", "new:write")
		change(&a)
		return tx.CreateAPI(ctx, a)
	}
}

func testAPIUpdates(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	holder := selfSignedClient("holder")
	holder.Scopes = []string{"accounts:read"}
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, holder) })

	want := must[storage.API](t)(s.API(ctx, "accounts"))
	if none := must[[]string](t)(s.SigningAlgorithms(ctx)); none == nil || len(none) != 0 {
		t.Errorf("no algorithm reads as %#v, want an empty slice", none)
	}
	want.Audience, want.TokenLifetime, want.UpdatedAt, want.SigningAlg = "https://elsewhere.example", 0, at(3), "EdDSA"
	want.Scopes, want.ResourceServers = []string{"accounts:list", "accounts:read"}, []string{"holder"}
	do(t, s, func(tx storage.Tx) error { return tx.UpdateAPI(ctx, want) })
	want.Version, want.UpdatedAt = 2, stored(3)
	same(t, "changed API", must[storage.API](t)(s.API(ctx, "accounts")), want)

	update := func(change func(*storage.API)) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			a, err := tx.API(ctx, "accounts")
			if err != nil {
				return err
			}
			change(&a)
			return tx.UpdateAPI(ctx, a)
		}
	}
	checkRefused(t, s, []refused{
		{"scope held", update(func(a *storage.API) { a.Scopes = []string{"accounts:list"} }), storage.ErrConflict},
		{"scope of another API", update(func(a *storage.API) { a.Scopes = append(a.Scopes, "payments:make") }), storage.ErrConflict},
		{"audience taken", update(func(a *storage.API) { a.Audience = "https://payments.example" }), storage.ErrConflict},
		{"no such resource server", update(func(a *storage.API) { a.ResourceServers = []string{"nobody"} }), storage.ErrConflict},
		{"old version", update(func(a *storage.API) { a.Version-- }), storage.ErrStale},
		{"unknown", update(func(a *storage.API) { a.ID = "nothing" }), storage.ErrNotFound},
	})
	if err := failing(t, s, update(func(a *storage.API) { a.TokenLifetime = time.Millisecond })); err == nil {
		t.Error("a lifetime of a millisecond was accepted")
	}
	same(t, "API after refused updates", must[storage.API](t)(s.API(ctx, "accounts")), want)

	remove := func(id string, version int64) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error { return tx.DeleteAPI(ctx, id, version) }
	}
	checkRefused(t, s, []refused{
		{"deleted while a scope is held", remove("accounts", 2), storage.ErrConflict},
		{"deleted, old version", remove("payments", 7), storage.ErrStale},
		{"deleted, unknown", remove("nothing", 1), storage.ErrNotFound},
	})
	same(t, "list", must[[]storage.API](t)(s.APIs(ctx, "", 10)), []storage.API{want, must[storage.API](t)(s.API(ctx, "payments"))})
	same(t, "list after", must[[]storage.API](t)(s.APIs(ctx, "accounts", 1)), []storage.API{must[storage.API](t)(s.API(ctx, "payments"))})
	if _, err := s.APIs(ctx, "", 0); err == nil {
		t.Error("a list without limit")
	}
	do(t, s, func(tx storage.Tx) error { return tx.DeleteAPI(ctx, "payments", 1) })
	_, err := s.API(ctx, "payments")
	notFound(t, "a deleted API", err)

	do(t, s, func(tx storage.Tx) error {
		return update(func(a *storage.API) { a.ResourceServers = nil })(ctx, tx)
	})
	if a := must[storage.API](t)(s.API(ctx, "accounts")); len(a.ResourceServers) != 0 {
		t.Errorf("resource servers %v are still there", a.ResourceServers)
	}
}
