package admin

import (
	"context"
	"errors"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// createBundle registers a trust bundle, or proposes it.
func createBundle(h *Handler, c *call) (*answer, error) {
	var body registration.TrustBundle
	bad, err := h.read(c, &body)
	if err != nil {
		return nil, err
	}
	body.Name = orGenerated(body.Name)
	record, warnings := judged(c, body, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return h.update(c, func(_ context.Context, tx storage.Tx, a *answer) error {
		if _, err := findBundle(c, tx, body.Name); err == nil {
			return refusal.Conflicting(refusal.Taken{Pointer: "/name", Detail: "is the name of another trust bundle; a new version of it is put there", Owner: body.Name})
		} else if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return h.changeBundle(c, tx, a, bundleChange{action: storage.CreateBundle, wanted: record, warnings: warnings})
	})
}

// changeOf is a change of the bundle that the path names.
func (h *Handler) changeOf(c *call, do func(tx storage.Tx, a *answer, have bundle, before *TrustBundleView) error) (*answer, error) {
	name, err := c.id()
	if err != nil {
		return nil, err
	}
	return h.update(c, func(_ context.Context, tx storage.Tx, a *answer) error {
		have, before, err := bundles.present(c, tx, name)
		if err != nil {
			return err
		}
		return do(tx, a, have, before)
	})
}

// patchBundle puts a new version in force. Nothing of it is there before the whole is.
func patchBundle(h *Handler, c *call) (*answer, error) {
	patch, err := c.content()
	if err != nil {
		return nil, err
	}
	return h.changeOf(c, func(tx storage.Tx, a *answer, have bundle, before *TrustBundleView) error {
		var body registration.TrustBundle
		bad, err := h.merge(patch, before.TrustBundle, &body)
		if err != nil {
			return err
		}
		bad.Stays("/name", have.Name, body.Name)
		record, warnings := judged(c, body, &bad)
		if err := bad.Err(); err != nil {
			return err
		}
		if record.ContentHash == have.ContentHash && have.Status == storage.BundleActive {
			a.before, a.body, a.etag = before, BundleAnswer{TrustBundleView: *before, Warnings: warnings}, bundles.tag(before)
			return nil
		}
		return h.changeBundle(c, tx, a, bundleChange{action: storage.ChangeBundle, wanted: record, before: before, warnings: warnings})
	})
}

// RollbackBody says which version a bundle goes back to.
type RollbackBody struct {
	Version int64  `json:"version" minimum:"1"`
	Reason  string `json:"reason,omitempty" maxLength:"200"`
}

// rollBack puts the content of an earlier version in force again, as a new version.
// The checks of the day are made again: what has expired since is no way back.
func rollBack(h *Handler, c *call) (*answer, error) {
	var asked RollbackBody
	bad, err := h.read(c, &asked)
	if err != nil {
		return nil, err
	}
	checkReason(asked.Reason, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return h.changeOf(c, func(tx storage.Tx, a *answer, have bundle, before *TrustBundleView) error {
		var bad refusal.Invalid
		old, ok := have.version(asked.Version)
		if !ok {
			bad.At("/version", "is no version of this bundle")
			return bad.Err()
		}
		record, warnings := judged(c, viewBundle(old).TrustBundle, &bad)
		if err := bad.Err(); err != nil {
			return err
		}
		return h.changeBundle(c, tx, a, bundleChange{
			action: storage.ChangeBundle, wanted: record, before: before, reason: asked.Reason, warnings: warnings,
		})
	})
}

// retireBundle leaves no version in force: every client of the bundle is refused,
// with a reason of its own.
func retireBundle(h *Handler, c *call) (*answer, error) {
	reason, err := c.reason(true)
	if err != nil {
		return nil, err
	}
	return h.changeOf(c, func(tx storage.Tx, a *answer, have bundle, before *TrustBundleView) error {
		if have.Status != storage.BundleActive {
			return refusal.Conflicting(refusal.Taken{Detail: "no version of the bundle is active"})
		}
		return h.changeBundle(c, tx, a, bundleChange{
			action: storage.RetireBundle, wanted: storage.TrustBundle{Name: have.Name}, before: before, reason: reason,
		})
	})
}
