package admin

import (
	"context"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/admin/refusal"
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

var partners = registered[registration.Partner, storage.Partner, *PartnerView]{
	collection: collection[storage.Partner, *PartnerView]{
		path: "/admin/v1/partners",
		find: func(c *call, from storage.Reader, id string) (storage.Partner, error) {
			return from.Partner(c.Context(), id)
		},
		view:  func(_ *call, p storage.Partner) *PartnerView { return viewPartner(p) },
		about: func(p storage.Partner) subject { return subject{client: storage.Client{PartnerID: p.ID}} },
	},
	member: "/id",
	taken:  "is the id of another partner",
	idOf:   func(b *registration.Partner) *string { return &b.ID },
	body: func(p storage.Partner) (registration.Partner, error) {
		return registration.Partner{ID: p.ID, Name: p.Name, Disabled: p.Disabled}, nil
	},
	judge: judgePartner,
	kind: func(before *storage.Partner, _ registration.Partner) audit.Kind {
		if before == nil {
			return audit.PartnerCreated
		}
		return audit.PartnerChanged
	},
}

var listPartners = list(nil,
	func(c *call, from storage.Reader, q *listing.Query, limit int) ([]storage.Partner, error) {
		return from.Partners(c.Context(), q.Text("after"), limit)
	},
	func(p *storage.Partner) string { return p.ID }, viewPartner,
	func(all []*PartnerView) any { return PartnerPage{all} })

func judgePartner(c *call, body registration.Partner, have *storage.Partner, bad *refusal.Invalid) write {
	want, faults := body.Record(c.now)
	bad.Faults(faults)
	return func(ctx context.Context, tx storage.Tx) ([]Warning, error) {
		if have == nil {
			return nil, tx.CreatePartner(ctx, want)
		}
		if err := c.caller.maySwitch(have.Disabled, want.Disabled); err != nil {
			return nil, err
		}
		changed := *have
		changed.Name, changed.Disabled = want.Name, want.Disabled
		return nil, changePartner(ctx, tx, c, *have, changed)
	}
}

// changePartner writes what differs, and ends tokens where clients can no longer have
// any.
func changePartner(ctx context.Context, tx storage.Tx, c *call, have, want storage.Partner) error {
	if have == want {
		return nil
	}
	if have.Disabled != want.Disabled {
		if err := mayTouchPartner(ctx, tx, c, have.ID); err != nil {
			return err
		}
	}
	want.UpdatedAt = c.now
	if err := tx.UpdatePartner(ctx, want); err != nil {
		return err
	}
	if shut(have) && !shut(want) {
		return c.bringsBackOfficers(ctx, tx, have.ID)
	}
	if !shut(want) || shut(have) {
		return nil
	}
	if err := registration.EndTokens(ctx, tx, have.ID, c.now); err != nil {
		return err
	}
	return someAdministrator(ctx, tx)
}

// shut reports whether no client of the partner is served.
func shut(p storage.Partner) bool { return p.Disabled || !p.LockedAt.IsZero() }

// mayTouchPartner lets only admin:security disable and enable a partner of
// administrators.
func mayTouchPartner(ctx context.Context, tx storage.Tx, c *call, partnerID string) error {
	if c.caller.may(ScopeSecurity) {
		return nil
	}
	all, err := administrators(ctx, tx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(a storage.Client) bool { return a.PartnerID == partnerID }) {
		return refusal.New(decision.ScopeInsufficient, "a client of the partner holds an admin scope: only "+ScopeSecurity+" may touch it")
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
		return refusal.New(refusal.LastAdministrator, "no enabled client would hold "+ScopeSecurity)
	}
	return nil
}

// lockOut disables all clients of a partner at once. What each of them was stays in
// its own record, so that restore brings back exactly that.
func lockOut(h *Handler, c *call) (*answer, error) { return lock(h, c, true, audit.PartnerLocked) }
func restore(h *Handler, c *call) (*answer, error) { return lock(h, c, false, audit.PartnerRestored) }

func lock(h *Handler, c *call, lock bool, kind audit.Kind) (*answer, error) {
	reason, err := c.reason(lock)
	if err != nil {
		return nil, err
	}
	return partners.change(h, c, func(ctx context.Context, tx storage.Tx, have storage.Partner) (outcome, error) {
		want := have
		if locked := !have.LockedAt.IsZero(); lock && !locked {
			want.LockedAt, want.LockReason = c.now, reason
		} else if !lock {
			want.LockedAt, want.LockReason = time.Time{}, ""
		}
		return outcome{kind: kind, reason: reason}, changePartner(ctx, tx, c, have, want)
	})
}
