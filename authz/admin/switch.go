package admin

import (
	"context"
	"slices"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// ReasonBody says why, for the audit event.
type ReasonBody struct {
	Reason string `json:"reason,omitempty" maxLength:"200"`
}

func (h *Handler) disableClient(c *call) (*answer, *refusal) { return h.switchClient(c, true) }
func (h *Handler) enableClient(c *call) (*answer, *refusal)  { return h.switchClient(c, false) }

// switchClient disables or enables a client. What it finds done already it leaves
// alone, and records nothing.
func (h *Handler) switchClient(c *call, disable bool) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	reason, f := c.reason(false)
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		client, before, err := h.presentClient(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if client.Disabled == disable {
			a.changed(before, before, before.etag(), false)
			return nil
		}
		if err := h.turn(c, tx, client, disable, reason); err != nil {
			return err
		}
		_, after, err := readView(ctx, tx, id)
		if err == nil {
			a.changed(before, after, after.etag(), true)
		}
		return err
	})
}

// turn changes the client, tells resource servers and records it, in the one
// transaction.
func (h *Handler) turn(c *call, tx storage.Tx, client storage.Client, disable bool, reason string) error {
	ctx, before := c.Context(), client
	client.Disabled, client.UpdatedAt = disable, c.now
	kind := audit.ClientEnabled
	if disable {
		kind = audit.ClientDisabled
		client.Generation++ // its tokens are dead, and stay so when it is enabled again
	}
	if err := tx.UpdateClient(ctx, client); err != nil {
		return err
	}
	if disable {
		if err := registration.DenyGeneration(ctx, tx, client.ID, client.Generation, c.now); err != nil {
			return err
		}
		if slices.Contains(client.Scopes, ScopeSecurity) {
			if err := someAdministrator(ctx, tx); err != nil {
				return err
			}
		}
	}
	return h.Audit.Append(ctx, tx, c.event(kind, client, map[string]any{
		"reason": reason,
		"before": map[string]any{"disabled": before.Disabled, "generation": before.Generation},
		"after":  map[string]any{"disabled": client.Disabled, "generation": client.Generation},
	}))
}

// event is one about a client, done by the caller of this request.
func (c *call) event(kind audit.Kind, client storage.Client, detail map[string]any) audit.Event {
	detail["remote_addr"], detail["admin_jti"] = c.RemoteAddr, c.caller.token.ID
	return audit.Event{
		Time: c.now, Kind: kind, Partner: client.PartnerID, Client: client.ID,
		Actor: c.caller.client.ID, RequestID: c.decision.RequestID, Detail: detail,
	}
}

// stillCaller asks again in the transaction: of two administrators who disable
// each other at the same time, one comes second.
func stillCaller(ctx context.Context, tx storage.Tx, c *caller) *refusal {
	now, err := tx.Client(ctx, c.client.ID)
	if err != nil {
		return unavailable(err)
	}
	if !enabled(now) || now.Generation != c.client.Generation || !slices.Equal(now.Scopes, c.client.Scopes) {
		return refuse(decision.ClientDisabled, "the administrator was changed while the request ran")
	}
	return nil
}
