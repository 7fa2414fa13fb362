package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// propose keeps a change for a second administrator instead of making it.
func (h *Handler) propose(c *call, tx storage.Tx, a *answer, change bundleChange) error {
	ctx := c.Context()
	open, err := tx.CountOpenProposals(ctx, c.now)
	if err != nil {
		return err
	}
	if open >= maxOpenProposals {
		return refusal.Conflicting(refusal.Taken{Detail: fmt.Sprintf("%d proposals wait for an administrator, which is the most; approve or reject some first", open)})
	}
	p := storage.TrustProposal{
		ID: orGenerated(""), Action: change.action, Bundle: change.wanted, Reason: change.reason, ProposedBy: c.caller.client.ID,
		CreatedAt: c.now, ExpiresAt: c.now.Add(h.ProposalLifetime), Status: storage.ProposalOpen,
	}
	if change.before != nil {
		p.BaseVersion, p.BaseStatus = change.before.Version, storage.TrustBundleStatus(change.before.Status)
	}
	if err := tx.CreateTrustProposal(ctx, p, c.now.Add(-proposalsKept)); err != nil {
		return err
	}
	view := viewProposal(&p, inForce(change.before), false, c.now)
	a.status, a.location = http.StatusAccepted, proposals.path+"/"+p.ID
	a.body, a.etag, a.change = ProposalAnswer{ProposalView: *view, Warnings: change.warnings}, proposals.tag(view), true
	return h.record(c, tx, subject{name: "trust_bundle", value: p.Bundle.Name}, outcome{
		kind: audit.ProposalCreated, reason: p.Reason, after: view.ProposalSummary,
	})
}

// makesOfficers refuses, while trust bundles need two administrators, what would let
// one make another who agrees to everything: to give admin:security to anybody, or to
// somebody else who has it credentials, or back what was taken: a client that was
// disabled, a certificate that was retired. Their owner may change their own. Have is
// nothing where the client is new.
func (c *call) makesOfficers(have, want storage.Client) error {
	if !c.twoPairs {
		return nil
	}
	was, is := slices.Contains(have.Scopes, ScopeSecurity), slices.Contains(want.Scopes, ScopeSecurity)
	switch {
	case is && !was:
		return refusal.New(refusal.SecondAdministrator, "nobody gets "+ScopeSecurity+" while admin.second_pair_of_eyes is set")
	case was && have.ID != c.caller.client.ID:
		return refusal.New(refusal.SecondAdministrator, "the client holds "+ScopeSecurity+": while admin.second_pair_of_eyes is set only it changes its credentials, and nobody enables it")
	}
	return nil
}

// bringsBackOfficers is makesOfficers for a partner whose clients are served again.
func (c *call) bringsBackOfficers(ctx context.Context, tx storage.Tx, partnerID string) error {
	holders, err := tx.ClientsHolding(ctx, ScopeSecurity)
	if err != nil {
		return err
	}
	for _, one := range holders {
		if one.PartnerID != partnerID || one.Disabled {
			continue
		}
		if err := c.makesOfficers(one, one); err != nil {
			return err
		}
	}
	return nil
}
