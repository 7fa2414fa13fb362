package registration

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

// TestScopesComeAndGo: what an API and its clients lose or get together is one
// registration, in any order of the APIs.
func TestScopesComeAndGo(t *testing.T) {
	type state struct {
		a, b   []string // the scopes of two APIs
		client string
	}
	const twoSteps = "moves to API "
	for _, c := range []struct {
		name     string
		old, new state
		want     string // "" when it goes through
	}{
		{"taken from API and client", state{[]string{"r", "w"}, []string{"x"}, "r w"}, state{[]string{"r"}, []string{"x"}, "r"}, ""},
		{"replaced", state{[]string{"r"}, []string{"x"}, "r x"}, state{[]string{"q"}, []string{"x"}, "q x"}, ""},
		{"moved, held by nobody", state{[]string{"r", "w"}, []string{"x"}, "r"}, state{[]string{"r"}, []string{"w", "x"}, "r"}, ""},
		{"moved, given up by its holder", state{[]string{"r", "w"}, []string{"x"}, "r w"}, state{[]string{"r"}, []string{"w", "x"}, "r"}, ""},
		{"swapped", state{[]string{"r"}, []string{"x"}, ""}, state{[]string{"x"}, []string{"r"}, ""}, ""},
		{"still held", state{[]string{"r", "w"}, []string{"x"}, "r w"}, state{[]string{"r"}, []string{"x"}, "r w"}, "is held by a client"},
		{"moved under its holder", state{[]string{"r", "w"}, []string{"x"}, "r w"}, state{[]string{"r"}, []string{"w", "x"}, "r w"}, twoSteps},
		{"moved to a new holder", state{[]string{"r", "w"}, []string{"x"}, "r"}, state{[]string{"r"}, []string{"w", "x"}, "r w"}, twoSteps},
	} {
		for _, reversed := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				store := newStore(t)
				edge := keystest.SelfSigned(t)
				registration := func(s state) *Set {
					r := &Set{
						Partners: []Partner{{ID: "acme"}},
						APIs:     []API{{ID: "a", Audience: "https://a", Scopes: s.a}, {ID: "b", Audience: "https://b", Scopes: s.b}},
						Clients:  []Client{{ClientID: "edge", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, edge), Scope: s.client}},
					}
					if reversed {
						slices.Reverse(r.APIs)
					}
					return r
				}
				applied(t, store, registration(c.old), "edge")
				err := registration(c.new).Apply(t.Context(), store, time.Now())
				end := c.new
				if c.want != "" {
					if !errors.Is(err, storage.ErrConflict) || !strings.Contains(err.Error(), c.want) {
						t.Fatalf("got %v, want %s", err, c.want)
					}
					end = c.old
				} else if err != nil {
					t.Fatal(err)
				}
				for id, want := range map[string][]string{"a": end.a, "b": end.b} {
					if api, err := store.API(t.Context(), id); err != nil || !slices.Equal(api.Scopes, want) {
						t.Errorf("API %s has %q, %v; want %q", id, api.Scopes, err, want)
					}
				}
				if client, err := store.Client(t.Context(), "edge"); err != nil || strings.Join(client.Scopes, " ") != end.client {
					t.Errorf("the client holds %q, %v; want %q", client.Scopes, err, end.client)
				}
			})
		}
	}
}
