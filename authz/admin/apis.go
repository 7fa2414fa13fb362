package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// APIView is a protected API as the admin API shows it.
type APIView struct {
	registration.API
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// APIPage is a page of APIs.
type APIPage struct {
	APIs []*APIView `json:"apis"`
}

func viewAPI(a storage.API) *APIView {
	return &APIView{
		API: registration.API{
			ID: a.ID, Audience: a.Audience, Scopes: append([]string{}, a.Scopes...), SigningAlg: a.SigningAlg,
			TokenLifetimeSeconds: int64(a.TokenLifetime / time.Second), ResourceServers: a.ResourceServers,
		},
		Version: a.Version, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

var apis = registered[registration.API, storage.API, *APIView]{
	collection: collection[storage.API, *APIView]{
		path: "/admin/v1/apis",
		find: func(c *call, from storage.Reader, id string) (storage.API, error) { return from.API(c.Context(), id) },
		view: func(_ *call, a storage.API) *APIView { return viewAPI(a) },
		guard: func(_ *call, a storage.API) error {
			if a.ID == registration.AdminAPI {
				return refusal.Conflicting(refusal.Taken{Pointer: "/id", Detail: "is reserved for the admin API, which only certbound changes"})
			}
			return nil
		},
		about: func(a storage.API) subject { return subject{name: "api", value: a.ID} },
	},
	member: "/id",
	taken:  "is the id of another API",
	idOf:   func(b *registration.API) *string { return &b.ID },
	body:   func(a storage.API) (registration.API, error) { return viewAPI(a).API, nil },
	judge:  judgeAPI,
	kind: func(before *storage.API, _ registration.API) audit.Kind {
		if before == nil {
			return audit.APICreated
		}
		return audit.APIChanged
	},
}

var listAPIs = list(nil,
	func(c *call, from storage.Reader, q *listing.Query, limit int) ([]storage.API, error) {
		return from.APIs(c.Context(), q.Text("after"), limit)
	},
	func(a *storage.API) string { return a.ID }, viewAPI,
	func(all []*APIView) any { return APIPage{all} })

func judgeAPI(c *call, body registration.API, have *storage.API, bad *refusal.Invalid) write {
	want, faults := body.Record(c.now)
	bad.Faults(faults)
	return func(ctx context.Context, tx storage.Tx) ([]Warning, error) {
		if err := apiFits(ctx, tx, c, want); err != nil {
			return nil, err
		}
		if have == nil {
			return nil, tx.CreateAPI(ctx, want)
		}
		if err := unheld(ctx, tx, c, registration.Without(have.Scopes, want.Scopes)); err != nil {
			return nil, err
		}
		return nil, registration.EnsureAPI(ctx, tx, *have, want)
	}
}

// apiFits asks for what another API has, and for resource servers that are none.
func apiFits(ctx context.Context, tx storage.Tx, c *call, want storage.API) error {
	var had []refusal.Taken
	other, err := tx.APIByAudience(ctx, want.Audience)
	if err == nil && other.ID != want.ID {
		had = append(had, refusal.Taken{Pointer: "/audience", Detail: "is the audience of another API", Owner: other.ID})
	} else if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	owners, err := tx.APIsOwningScopes(ctx, want.Scopes)
	if err != nil {
		return err
	}
	for i, scope := range want.Scopes {
		for _, owner := range owners {
			if owner.ID != want.ID && slices.Contains(owner.Scopes, scope) {
				had = append(had, refusal.Taken{Pointer: "/scopes", Detail: fmt.Sprintf("number %d in alphabetical order is a scope of another API; a scope belongs to one API", i+1), Owner: owner.ID})
			}
		}
	}
	if len(had) > 0 {
		return c.conflicting(had...)
	}
	var absent registration.Faults
	for i, id := range want.ResourceServers {
		if _, err := tx.Client(ctx, id); errors.Is(err, storage.ErrNotFound) {
			absent.Add("resource_servers", fmt.Errorf("number %d in alphabetical order is no client", i+1))
		} else if err != nil {
			return err
		}
	}
	return refusal.Missing(absent)
}

// unheld refuses to take away scopes that clients hold: their rights would come back
// with the scope, at whichever API has it then.
func unheld(ctx context.Context, tx storage.Tx, c *call, scopes []string) error {
	var held []refusal.Taken
	for _, scope := range scopes {
		holders, err := tx.Clients(ctx, storage.ClientQuery{Scope: scope, Limit: 10})
		if err != nil {
			return err
		}
		if len(holders) > 0 {
			held = append(held, refusal.Taken{Pointer: "/scopes", Detail: "a scope that is to go is held by clients; take it from them first", Owner: idsOf(holders)})
		}
	}
	if len(held) > 0 {
		return c.conflicting(held...)
	}
	return nil
}

func idsOf(clients []storage.Client) string {
	return strings.Join(views(clients, func(c storage.Client) string { return c.ID }), " ")
}

func deleteAPI(h *Handler, c *call) (*answer, error) {
	return apis.remove(h, c, audit.APIDeleted, func(ctx context.Context, tx storage.Tx, have storage.API) error {
		if err := unheld(ctx, tx, c, have.Scopes); err != nil {
			return err
		}
		return tx.DeleteAPI(ctx, have.ID, have.Version)
	})
}
