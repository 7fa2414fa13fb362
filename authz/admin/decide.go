package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// ruling is a decision on an open proposal: do decides, and what it returns is answered.
func (h *Handler) ruling(c *call, do func(tx storage.Tx, p proposal, before *ProposalView, reason string) (*ProposalAnswer, error)) (*answer, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	reason, err := c.reason(false)
	if err != nil {
		return nil, err
	}
	return h.update(c, func(_ context.Context, tx storage.Tx, a *answer) error {
		p, before, err := proposals.present(c, tx, id)
		if err != nil {
			return err
		}
		if before.Status != string(storage.ProposalOpen) {
			return refusal.New(refusal.ProposalOver, "the proposal is "+before.Status)
		}
		after, err := do(tx, p, before, reason)
		if err != nil {
			return err
		}
		a.before, a.body, a.etag, a.change = before, *after, proposals.tag(&after.ProposalView), true
		a.trust = after.Status == string(storage.ProposalApproved)
		return nil
	})
}

// approveProposal makes the change that another administrator has proposed, as it was
// proposed and against what it was proposed for. The checks of the day are made again.
func approveProposal(h *Handler, c *call) (*answer, error) {
	return h.ruling(c, func(tx storage.Tx, p proposal, before *ProposalView, reason string) (*ProposalAnswer, error) {
		if own := p.ProposedBy == c.caller.client.ID; own {
			return nil, refusal.New(refusal.SecondAdministrator, "the proposal is the caller's own")
		}
		if before.Outdated {
			return nil, refusal.New(refusal.ProposalOutdated, "the trust bundle has changed since")
		}
		if err := stillProposer(c.Context(), tx, p.ProposedBy); err != nil {
			return nil, err
		}
		change, err := p.change(c)
		if err != nil {
			return nil, err
		}
		made, err := h.makeChange(c, tx, change)
		if err != nil {
			return nil, err
		}
		if p.Action != storage.RetireBundle {
			p.AppliedVersion = made.Version
		}
		after, err := h.decide(c, tx, p, storage.ProposalApproved, reason)
		return &ProposalAnswer{after, made.ClientsEnded, made.Warnings}, err
	})
}

// change is what two administrators have agreed on, judged as of today.
func (p *proposal) change(c *call) (bundleChange, error) {
	change := bundleChange{action: p.Action, wanted: p.Bundle, reason: p.Reason, agreed: &p.TrustProposal}
	if p.bundle != nil {
		change.before = viewBundle(*p.bundle)
	}
	if p.Action == storage.RetireBundle {
		return change, nil
	}
	var bad refusal.Invalid
	change.wanted, change.warnings = judged(c, viewBundle(p.Bundle).TrustBundle, &bad)
	if len(bad) > 0 {
		return change, &refusal.Refusal{Reason: refusal.ProposalOutdated, Errors: bad}
	}
	if change.wanted.ContentHash != p.Bundle.ContentHash {
		return change, refusal.New(refusal.ProposalOutdated, "the stored content is not the one that was proposed")
	}
	change.wanted.CreatedBy = p.ProposedBy
	return change, nil
}

// stillProposer refuses what somebody has proposed who could not do so now: a proposal
// does not outlive the trust in its proposer.
func stillProposer(ctx context.Context, tx storage.Tx, id string) error {
	client, err := tx.Client(ctx, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err != nil || !enabled(client) || !slices.Contains(client.Scopes, ScopeSecurity) {
		return refusal.New(refusal.ProposalOutdated, "who proposed it is no enabled administrator with "+ScopeSecurity+" any more")
	}
	return nil
}

// rejectProposal ends a proposal. Its proposer withdraws it that way.
func rejectProposal(h *Handler, c *call) (*answer, error) {
	return h.ruling(c, func(tx storage.Tx, p proposal, _ *ProposalView, reason string) (*ProposalAnswer, error) {
		status := storage.ProposalRejected
		if p.ProposedBy == c.caller.client.ID {
			status = storage.ProposalWithdrawn
		}
		after, err := h.decide(c, tx, p, status, reason)
		return &ProposalAnswer{ProposalView: after}, err
	})
}

// decided are the events of decisions.
var decided = map[storage.ProposalStatus]audit.Kind{
	storage.ProposalApproved:  audit.ProposalApproved,
	storage.ProposalRejected:  audit.ProposalRejected,
	storage.ProposalWithdrawn: audit.ProposalWithdrawn,
}

// decide writes the decision and records it.
func (h *Handler) decide(c *call, tx storage.Tx, p proposal, status storage.ProposalStatus, reason string) (ProposalView, error) {
	p.Status, p.DecidedBy, p.DecidedAt, p.DecisionReason = status, c.caller.client.ID, c.now, reason
	if err := tx.DecideTrustProposal(c.Context(), p.TrustProposal); err != nil {
		return ProposalView{}, err
	}
	after := viewProposal(&p.TrustProposal, p.base, false, c.now)
	return *after, h.record(c, tx, subject{name: "trust_bundle", value: p.Bundle.Name}, outcome{
		kind: decided[status], reason: reason, after: after.ProposalSummary,
		more: map[string]any{"proposal": p.ID, "proposed_by": p.ProposedBy},
	})
}
