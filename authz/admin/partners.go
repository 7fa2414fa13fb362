package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// PartnerView is a partner as the API shows it.
type PartnerView struct {
	registration.Partner
	Disabled   bool       `json:"disabled"` // always there, unlike in a registration
	LockedAt   *time.Time `json:"locked_at,omitempty" doc:"Since when the partner is locked out; absent when it is not."`
	LockReason string     `json:"lock_reason,omitempty"`
	Version    int64      `json:"version"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

// PartnerPage is a page of partners.
type PartnerPage struct {
	Partners []*PartnerView `json:"partners"`
}

func viewPartner(p storage.Partner) *PartnerView {
	return &PartnerView{
		Partner: registration.Partner{ID: p.ID, Name: p.Name}, Disabled: p.Disabled, LockedAt: orNil(p.LockedAt), LockReason: p.LockReason,
		Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

func (h *Handler) listPartners(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "limit", "after")
	if f != nil {
		return nil, f
	}
	return page(c, q,
		func(after string, limit int) ([]storage.Partner, error) {
			return h.Store.Partners(c.Context(), after, limit)
		},
		func(p *storage.Partner) string { return p.ID },
		func(found []storage.Partner) any { return PartnerPage{views(found, viewPartner)} })
}

func (h *Handler) getPartner(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	partner, err := h.Store.Partner(c.Context(), id)
	if err != nil {
		return nil, unavailable(err)
	}
	view := viewPartner(partner)
	return &answer{body: view, etag: etagOf(view)}, nil
}

func (h *Handler) createPartner(c *call) (*answer, *refusal) {
	var body registration.Partner
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
		if _, err := tx.Partner(ctx, record.ID); !errors.Is(err, storage.ErrNotFound) {
			return orConflict(err, taken{"/id", "is the id of another partner", record.ID})
		}
		if err := tx.CreatePartner(ctx, record); err != nil {
			return err
		}
		stored, err := tx.Partner(ctx, record.ID)
		if err != nil {
			return err
		}
		view := viewPartner(stored)
		a.created("/admin/v1/partners/"+record.ID, view, etagOf(view))
		return h.record(c, tx, audit.PartnerCreated, aboutPartner(stored), nil, view)
	})
}

// created is the answer for a record that is new.
func (a *answer) created(location string, view any, etag string) {
	a.status, a.location, a.body, a.etag, a.change = http.StatusCreated, location, view, etag, true
}

// gone is the answer for a record that is no more.
func (a *answer) gone(before any) {
	a.status, a.before, a.body, a.change = http.StatusNoContent, before, nil, true
}

// changed is the answer for a record that was another one, or is as it was.
func (a *answer) changed(before, after any, etag string, change bool) {
	a.before, a.body, a.etag, a.change = before, after, etag, change
}

// aboutPartner is whom an event about a partner concerns.
func aboutPartner(p storage.Partner) storage.Client { return storage.Client{PartnerID: p.ID} }

func (h *Handler) patchPartner(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	patch, f := c.content()
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, err := tx.Partner(ctx, id)
		if err != nil {
			return err
		}
		before := viewPartner(have)
		if f := c.matches(etagOf(before)); f != nil {
			return f
		}
		var body registration.Partner
		bad, f := h.merge(patch, registration.Partner{ID: have.ID, Name: have.Name, Disabled: have.Disabled}, &body)
		if f != nil {
			return f
		}
		want, faults := body.Record(c.now)
		bad.stays("/id", have.ID, body.ID)
		bad.faults(faults)
		if f := bad.refusal(); f != nil {
			return f
		}
		want.LockedAt, want.LockReason = have.LockedAt, have.LockReason
		return h.changePartner(c, tx, a, have, want, audit.PartnerChanged, "")
	})
}

// changePartner writes Name, Disabled and the lockout of want, ends tokens where
// clients can no longer have any, and records it.
func (h *Handler) changePartner(c *call, tx storage.Tx, a *answer, have, want storage.Partner, kind audit.Kind, reason string) error {
	ctx, before := c.Context(), viewPartner(have)
	if have.Name == want.Name && have.Disabled == want.Disabled && have.LockedAt.Equal(want.LockedAt) {
		a.changed(before, before, etagOf(before), false)
		return nil
	}
	want.ID, want.Version, want.UpdatedAt = have.ID, have.Version, c.now
	if have.Disabled != want.Disabled {
		if f := mayTouchPartner(ctx, tx, c, have.ID); f != nil {
			return f
		}
	}
	if err := tx.UpdatePartner(ctx, want); err != nil {
		return err
	}
	if shut(want) && !shut(have) {
		if err := registration.EndTokens(ctx, tx, have.ID, c.now); err != nil {
			return err
		}
		if err := someAdministrator(ctx, tx); err != nil {
			return err
		}
	}
	stored, err := tx.Partner(ctx, have.ID)
	if err != nil {
		return err
	}
	after := viewPartner(stored)
	a.changed(before, after, etagOf(after), true)
	return h.record(c, tx, kind, aboutPartner(stored), before, after, "reason", reason)
}

// shut reports whether no client of the partner is served.
func shut(p storage.Partner) bool { return p.Disabled || !p.LockedAt.IsZero() }

// mayTouchPartner lets only admin:security disable and enable a partner of
// administrators.
func mayTouchPartner(ctx context.Context, tx storage.Tx, c *call, partnerID string) error {
	if c.caller.may(ScopeSecurity) {
		return nil
	}
	for _, scope := range Scopes() {
		holders, err := tx.ClientsHolding(ctx, scope)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(holders, func(holder storage.Client) bool { return holder.PartnerID == partnerID }) {
			return refuse(decision.ScopeInsufficient, "a client of the partner holds an admin scope: only "+ScopeSecurity+" may touch it")
		}
	}
	return nil
}

// someAdministrator refuses what leaves nobody who could undo it.
func someAdministrator(ctx context.Context, tx storage.Tx) error {
	holders, err := tx.ClientsHolding(ctx, ScopeSecurity)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(holders, enabled) {
		return refuse(LastAdministrator, "no enabled client would hold "+ScopeSecurity)
	}
	return nil
}

// lockOut disables all clients of a partner at once. What each of them was stays in
// its own record, so that restore brings back exactly that.
func (h *Handler) lockOut(c *call) (*answer, *refusal) {
	return h.lock(c, true, audit.PartnerLocked)
}
func (h *Handler) restore(c *call) (*answer, *refusal) {
	return h.lock(c, false, audit.PartnerRestored)
}

func (h *Handler) lock(c *call, lock bool, kind audit.Kind) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	reason, f := c.reason(lock)
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, err := tx.Partner(ctx, id)
		if err != nil {
			return err
		}
		if f := c.matches(etagOf(viewPartner(have))); f != nil {
			return f
		}
		want := have
		if locked := !have.LockedAt.IsZero(); lock && !locked {
			want.LockedAt, want.LockReason = c.now, reason
		} else if !lock {
			want.LockedAt, want.LockReason = time.Time{}, ""
		}
		return h.changePartner(c, tx, a, have, want, kind, reason)
	})
}
