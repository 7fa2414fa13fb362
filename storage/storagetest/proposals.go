package storagetest

import (
	"context"
	"testing"

	"github.com/certbound/certbound/storage"
)

func proposal(id, name string, action storage.BundleAction) storage.TrustProposal {
	b := bundle(name, "proposed")
	p := storage.TrustProposal{
		ID: id, Action: action, Reason: "why", ProposedBy: "root", CreatedAt: stored(0), ExpiresAt: stored(60), Status: storage.ProposalOpen,
		Bundle: storage.TrustBundle{
			Name: name, ContentHash: b.ContentHash, AnchorsPEM: b.AnchorsPEM, IntermediatesPEM: b.IntermediatesPEM,
			IssuersPEM: b.IssuersPEM, MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots,
		},
	}
	switch action {
	case storage.ChangeBundle:
		p.BaseVersion, p.BaseStatus = 1, storage.BundleActive
	case storage.RetireBundle:
		p.BaseVersion, p.BaseStatus, p.Bundle = 2, storage.BundleActive, storage.TrustBundle{Name: name}
	}
	return p
}

// testProposals: what is proposed is kept as it is and decided once, in time.
func testProposals(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	before := must[int64](t)(s.RegistrationVersion(ctx))
	create, change, retire := proposal("c", "new", storage.CreateBundle), proposal("a", "partners", storage.ChangeBundle), proposal("b", "partners", storage.RetireBundle)
	change.ExpiresAt = stored(90)
	do(t, s, func(tx storage.Tx) error {
		for _, p := range []storage.TrustProposal{create, change, retire} {
			p.Status, p.DecidedBy, p.AppliedVersion = storage.ProposalApproved, "root", 9 // not the caller's to choose
			if err := tx.CreateTrustProposal(ctx, p, at(-100)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, want := range []storage.TrustProposal{create, change, retire} {
		same(t, want.ID, must[storage.TrustProposal](t)(s.TrustProposal(ctx, want.ID)), want)
	}
	_, err := s.TrustProposal(ctx, "nothing")
	notFound(t, "no such proposal", err)

	bare := func(p storage.TrustProposal) storage.TrustProposal {
		p.Bundle.AnchorsPEM, p.Bundle.IntermediatesPEM, p.Bundle.IssuersPEM = "", "", ""
		return p
	}
	listed := func(q storage.ProposalQuery) []storage.TrustProposal {
		t.Helper()
		return must[[]storage.TrustProposal](t)(s.TrustProposals(ctx, q))
	}
	same(t, "all", listed(storage.ProposalQuery{Limit: 9}), []storage.TrustProposal{bare(change), bare(retire), bare(create)})
	same(t, "a page", listed(storage.ProposalQuery{After: "a", Limit: 1}), []storage.TrustProposal{bare(retire)})
	same(t, "of a bundle", listed(storage.ProposalQuery{TrustBundle: "new", Limit: 9}), []storage.TrustProposal{bare(create)})
	same(t, "decided", listed(storage.ProposalQuery{Status: storage.ProposalApproved, Limit: 9}), []storage.TrustProposal{})
	if _, err := s.TrustProposals(ctx, storage.ProposalQuery{}); err == nil {
		t.Error("a list without limit")
	}
	open := func(now int, want int64) {
		t.Helper()
		same(t, "open", must[int64](t)(s.CountOpenProposals(ctx, at(now))), want)
	}
	open(0, 3)
	open(60, 1)

	decide := func(id string, status storage.ProposalStatus, by string, when int) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			return tx.DecideTrustProposal(ctx, storage.TrustProposal{ID: id, Status: status, DecidedBy: by, DecidedAt: at(when), DecisionReason: "so", AppliedVersion: 2})
		}
	}
	checkRefused(t, s, []refused{
		{"its id again", func(ctx context.Context, tx storage.Tx) error { return tx.CreateTrustProposal(ctx, create, at(-100)) }, storage.ErrConflict},
		{"when it has expired", decide("b", storage.ProposalApproved, "deputy", 60), storage.ErrStale},
		{"when it is not there", decide("nothing", storage.ProposalApproved, "deputy", 1), storage.ErrNotFound},
	})
	if err := failing(t, s, decide("a", storage.ProposalApproved, "root", 1)); err == nil {
		t.Error("approved by the one who proposed it")
	}
	do(t, s, func(tx storage.Tx) error { return decide("a", storage.ProposalApproved, "deputy", 59)(ctx, tx) })
	change.Status, change.DecidedBy, change.DecidedAt, change.DecisionReason, change.AppliedVersion = storage.ProposalApproved, "deputy", stored(59), "so", 2
	same(t, "approved", must[storage.TrustProposal](t)(s.TrustProposal(ctx, "a")), change)
	checkRefused(t, s, []refused{{"twice", decide("a", storage.ProposalRejected, "deputy", 59), storage.ErrStale}})
	open(0, 2)
	same(t, "the registration", must[int64](t)(s.RegistrationVersion(ctx)), before)

	// What is over is forgotten when something new comes, what is open is not.
	late := proposal("z", "late", storage.CreateBundle)
	late.CreatedAt, late.ExpiresAt = stored(200), stored(300)
	do(t, s, func(tx storage.Tx) error { return tx.CreateTrustProposal(ctx, late, at(60)) })
	same(t, "after a while", listed(storage.ProposalQuery{Limit: 9}), []storage.TrustProposal{bare(retire), bare(create), bare(late)})
}
