package admin

import (
	"context"
	"slices"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

func disableClient(h *Handler, c *call) (*answer, error) { return switchClient(h, c, true) }
func enableClient(h *Handler, c *call) (*answer, error)  { return switchClient(h, c, false) }

// switchClient disables or enables a client. What it finds done already it leaves
// alone, and records nothing.
func switchClient(h *Handler, c *call, disable bool) (*answer, error) {
	reason, err := c.reason(false)
	if err != nil {
		return nil, err
	}
	return clients.change(h, c, func(ctx context.Context, tx storage.Tx, have client) (outcome, error) {
		if have.Disabled == disable {
			return outcome{}, nil
		}
		want := have.Client
		want.Disabled, want.UpdatedAt = disable, c.now
		out := outcome{kind: audit.ClientEnabled, reason: reason}
		if disable {
			out.kind = audit.ClientDisabled
			want.Generation++ // its tokens are dead, and stay so when it is enabled again
		} else if err := c.makesOfficers(have.Client, want); err != nil {
			return outcome{}, err
		}
		out.before, out.after = switched(have.Client), switched(want)
		return out, turn(ctx, tx, c, want)
	})
}

// turn changes the client and tells resource servers, in the one transaction.
func turn(ctx context.Context, tx storage.Tx, c *call, want storage.Client) error {
	if err := tx.UpdateClient(ctx, want); err != nil || !want.Disabled {
		return err
	}
	if err := registration.DenyGeneration(ctx, tx, want.ID, want.Generation, c.now); err != nil {
		return err
	}
	if slices.Contains(want.Scopes, ScopeSecurity) {
		return someAdministrator(ctx, tx)
	}
	return nil
}

// switched is what the audit trail is told: all that a switch touches.
func switched(c storage.Client) any {
	return map[string]any{"disabled": c.Disabled, "generation": c.Generation}
}
