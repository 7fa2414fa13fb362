package storagetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certbound/certbound/storage"
)

func testClientLists(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	none := must[[]storage.Client](t)(s.Clients(ctx, storage.ClientQuery{Limit: 10}))
	if none == nil || len(none) != 0 {
		t.Errorf("no clients read as %#v, want an empty slice", none)
	}
	do(t, s, func(tx storage.Tx) error {
		for id, scopes := range map[string][]string{
			"b": {"accounts:read", "payments:make"}, "B": {"accounts:read"}, "a.1": nil, "a-1": {"accounts:write"},
		} {
			c := pkiClient(id, "uri:"+id)
			c.Scopes = scopes
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	names := func(list []storage.Client) string {
		var ids []string
		for _, c := range list {
			same(t, c.ID, c, must[storage.Client](t)(s.Client(ctx, c.ID)))
			ids = append(ids, c.ID)
		}
		return strings.Join(ids, " ")
	}
	for _, c := range []struct {
		after string
		limit int
		want  string
	}{
		{"", 10, "B a-1 a.1 b"}, // byte by byte, whatever a locale says
		{"", 2, "B a-1"},
		{"a-1", 2, "a.1 b"},
		{"a-2", 1, "a.1"}, // which was deleted meanwhile
		{"b", 10, ""},
	} {
		if got := names(must[[]storage.Client](t)(s.Clients(ctx, storage.ClientQuery{After: c.after, Limit: c.limit}))); got != c.want {
			t.Errorf("%d after %q: got %q, want %q", c.limit, c.after, got, c.want)
		}
	}
	for _, limit := range []int{0, -1} {
		if _, err := s.Clients(ctx, storage.ClientQuery{Limit: limit}); err == nil || err.Error() != fmt.Sprintf("storage: clients: limit %d is not positive", limit) {
			t.Errorf("limit %d: got error %v", limit, err)
		}
	}
	for _, c := range []struct {
		q    storage.ClientQuery
		want string
	}{
		{storage.ClientQuery{PartnerID: "acme"}, "B a-1 a.1 b"},
		{storage.ClientQuery{PartnerID: "acme", After: "a-1"}, "a.1 b"},
		{storage.ClientQuery{PartnerID: "globex"}, ""},
		{storage.ClientQuery{TrustBundle: "partners", After: "B"}, "a-1 a.1 b"},
		{storage.ClientQuery{TrustBundle: "partner"}, ""},
		{storage.ClientQuery{Scope: "accounts:read"}, "B b"},
		{storage.ClientQuery{Scope: "accounts:read", After: "B", PartnerID: "acme", TrustBundle: "partners"}, "b"},
	} {
		c.q.Limit = 10
		if got := names(must[[]storage.Client](t)(s.Clients(ctx, c.q))); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.q, got, c.want)
		}
	}
	if got := names(must[[]storage.Client](t)(s.ClientsMatching(ctx, storage.SANURI, "uri:b"))); got != "b" {
		t.Errorf("clients with the subject of b: %q", got)
	}
	for _, none := range []storage.Matcher{{Kind: storage.SANDNS, Canonical: "uri:b"}, {Kind: storage.SANURI, Canonical: "uri:"}} {
		if got := names(must[[]storage.Client](t)(s.ClientsMatching(ctx, none.Kind, none.Canonical))); got != "" {
			t.Errorf("clients with the subject %+v: %q", none, got)
		}
	}
	for scope, want := range map[string]string{
		"accounts:read": "B b", "payments:make": "b", "accounts:write": "a-1", "accounts": "", "accounts:read payments:make": "",
	} {
		if got := names(must[[]storage.Client](t)(s.ClientsHolding(ctx, scope))); got != want {
			t.Errorf("holders of %q: got %q, want %q", scope, got, want)
		}
	}
}
