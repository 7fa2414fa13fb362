package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

func (h *Handler) listAPIs(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "limit", "after")
	if f != nil {
		return nil, f
	}
	return page(c, q,
		func(after string, limit int) ([]storage.API, error) { return h.Store.APIs(c.Context(), after, limit) },
		func(a *storage.API) string { return a.ID },
		func(found []storage.API) any { return APIPage{views(found, viewAPI)} })
}

func (h *Handler) getAPI(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	api, err := h.Store.API(c.Context(), id)
	if err != nil {
		return nil, unavailable(err)
	}
	view := viewAPI(api)
	return &answer{body: view, etag: etagOf(view)}, nil
}

func (h *Handler) createAPI(c *call) (*answer, *refusal) {
	var body registration.API
	bad, f := h.read(c, &body)
	if f != nil {
		return nil, f
	}
	body.ID = orGenerated(body.ID)
	record, faults := body.Record(c.now)
	bad.faults(faults)
	if f := bad.refusal(); f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		if _, err := tx.API(ctx, record.ID); !errors.Is(err, storage.ErrNotFound) {
			return orConflict(err, taken{"/id", "is the id of another API", record.ID})
		}
		if err := apiFits(ctx, tx, c, record); err != nil {
			return err
		}
		if err := tx.CreateAPI(ctx, record); err != nil {
			return err
		}
		stored, err := tx.API(ctx, record.ID)
		if err != nil {
			return err
		}
		view := viewAPI(stored)
		a.created("/admin/v1/apis/"+record.ID, view, etagOf(view))
		return h.record(c, tx, audit.APICreated, storage.Client{}, nil, view, "api", record.ID)
	})
}

// apiFits asks for what another API has, and for resource servers that are none.
func apiFits(ctx context.Context, tx storage.Tx, c *call, want storage.API) error {
	var had []taken
	other, err := tx.APIByAudience(ctx, want.Audience)
	if err == nil && other.ID != want.ID {
		had = append(had, taken{"/audience", "is the audience of another API", other.ID})
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
				had = append(had, taken{"/scopes", fmt.Sprintf("number %d in alphabetical order is a scope of another API; a scope belongs to one API", i+1), owner.ID})
			}
		}
	}
	if len(had) > 0 {
		return c.conflicting(had)
	}
	var absent registration.Faults
	for i, id := range want.ResourceServers {
		if _, err := tx.Client(ctx, id); errors.Is(err, storage.ErrNotFound) {
			absent.Add("resource_servers", fmt.Errorf("number %d in alphabetical order is no client", i+1))
		} else if err != nil {
			return err
		}
	}
	if f := missing(absent); f != nil {
		return f
	}
	return nil
}

func (h *Handler) patchAPI(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	patch, f := c.content()
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, before, err := h.presentAPI(ctx, tx, c, id)
		if err != nil {
			return err
		}
		var body registration.API
		bad, f := h.merge(patch, before.API, &body)
		if f != nil {
			return f
		}
		want, faults := body.Record(c.now)
		bad.stays("/id", have.ID, body.ID)
		bad.faults(faults)
		if f := bad.refusal(); f != nil {
			return f
		}
		if err := apiFits(ctx, tx, c, want); err != nil {
			return err
		}
		if err := unheld(ctx, tx, c, registration.Without(have.Scopes, want.Scopes)); err != nil {
			return err
		}
		if err := registration.EnsureAPI(ctx, tx, have, want); err != nil {
			return err
		}
		stored, err := tx.API(ctx, id)
		if err != nil {
			return err
		}
		after := viewAPI(stored)
		a.changed(before, after, etagOf(after), stored.Version != have.Version)
		if !a.change {
			return nil
		}
		return h.record(c, tx, audit.APIChanged, storage.Client{}, before, after, "api", id)
	})
}

// presentAPI is the API that a change is about. The reserved one is certbound's own.
func (h *Handler) presentAPI(ctx context.Context, tx storage.Tx, c *call, id string) (storage.API, *APIView, error) {
	have, err := tx.API(ctx, id)
	if err != nil {
		return have, nil, err
	}
	view := viewAPI(have)
	if id == registration.AdminAPI {
		return have, view, conflicting([]taken{{"/id", "is reserved for the admin API, which only certbound changes", ""}})
	}
	if f := c.matches(etagOf(view)); f != nil {
		return have, view, f
	}
	return have, view, nil
}

// unheld refuses to take away scopes that clients hold: their rights would come back
// with the scope, at whichever API has it then.
func unheld(ctx context.Context, tx storage.Tx, c *call, scopes []string) error {
	var held []taken
	for _, scope := range scopes {
		holders, err := tx.Clients(ctx, storage.ClientQuery{Scope: scope, Limit: 10})
		if err != nil {
			return err
		}
		if len(holders) > 0 {
			held = append(held, taken{"/scopes", "a scope that is to go is held by clients; take it from them first", idsOf(holders)})
		}
	}
	if len(held) > 0 {
		return c.conflicting(held)
	}
	return nil
}

func idsOf(clients []storage.Client) string {
	return strings.Join(views(clients, func(c storage.Client) string { return c.ID }), " ")
}

func (h *Handler) deleteAPI(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, before, err := h.presentAPI(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if err := unheld(ctx, tx, c, have.Scopes); err != nil {
			return err
		}
		if err := tx.DeleteAPI(ctx, id, have.Version); err != nil {
			return err
		}
		a.gone(before)
		return h.record(c, tx, audit.APIDeleted, storage.Client{}, before, nil, "api", id)
	})
}
