package admin

import (
	"errors"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// Bounds of proposals. A proposal holds up to 3 MiB of certificates.
const (
	DefaultProposalLifetime = 7 * 24 * time.Hour
	MinProposalLifetime     = time.Hour
	MaxProposalLifetime     = 30 * 24 * time.Hour

	maxOpenProposals = 100
	// proposalsKept is how long what was decided, or has expired, can still be read. The
	// audit trail keeps it as long as anything.
	proposalsKept = 90 * 24 * time.Hour
)

// ProposalSummary is a proposed change of a trust bundle without the certificates.
type ProposalSummary struct {
	ID             string     `json:"id"`
	TrustBundle    string     `json:"trust_bundle"`
	Action         string     `json:"action" doc:"create, change (a roll-back is one) or retire."`
	Status         string     `json:"status" doc:"open, expired, approved, rejected (by another administrator) or withdrawn (by the one who made it)."`
	Outdated       bool       `json:"outdated,omitempty" doc:"It is open, and the trust bundle has changed since: nobody can approve it."`
	BaseVersion    int64      `json:"base_version,omitempty" doc:"The version of the trust bundle it was proposed against; absent for a new one."`
	ContentHash    string     `json:"content_hash,omitempty" doc:"Of the proposed content."`
	Reason         string     `json:"reason,omitempty"`
	ProposedBy     string     `json:"proposed_by" doc:"client_id of the administrator, who is not the one to approve."`
	CreatedAt      time.Time  `json:"created_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	DecidedBy      string     `json:"decided_by,omitempty"`
	DecidedAt      *time.Time `json:"decided_at,omitempty"`
	DecisionReason string     `json:"decision_reason,omitempty"`
	Version        int64      `json:"version,omitempty" doc:"The version of the trust bundle that came of it."`
}

// ProposalView is a proposal as a whole.
type ProposalView struct {
	ProposalSummary
	Proposed   *registration.TrustBundle `json:"proposed,omitempty" doc:"The content; absent where the trust bundle is to be retired."`
	Difference *BundleDifference         `json:"difference" doc:"What it changes of the version that was in force when it was proposed."`
}

// ProposalAnswer is a proposal that was made or decided, and what deserves a look.
type ProposalAnswer struct {
	ProposalView
	ClientsEnded int       `json:"clients_ended,omitempty" doc:"How many clients lost the tokens they held by the approval."`
	Warnings     []Warning `json:"warnings,omitempty"`
}

// ProposalPage is a page of proposals.
type ProposalPage struct {
	Proposals []ProposalSummary `json:"trust_proposals"`
}

func summarizeProposal(p *storage.TrustProposal, outdated bool, now time.Time) ProposalSummary {
	s := ProposalSummary{
		ID: p.ID, TrustBundle: p.Bundle.Name, Action: string(p.Action), Status: string(p.Status),
		BaseVersion: p.BaseVersion, ContentHash: p.Bundle.ContentHash, Reason: p.Reason, ProposedBy: p.ProposedBy,
		CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt, DecidedBy: p.DecidedBy, DecisionReason: p.DecisionReason, Version: p.AppliedVersion,
	}
	switch {
	case p.Status != storage.ProposalOpen:
		s.DecidedAt = &p.DecidedAt
	case !now.Before(p.ExpiresAt):
		s.Status = "expired"
	default:
		s.Outdated = outdated
	}
	return s
}

// viewProposal shows a proposal; base is the content that was in force when it was
// made, nil where none was.
func viewProposal(p *storage.TrustProposal, base *registration.TrustBundle, outdated bool, now time.Time) *ProposalView {
	v := &ProposalView{ProposalSummary: summarizeProposal(p, outdated, now)}
	if p.Action != storage.RetireBundle {
		v.Proposed = &viewBundle(p.Bundle).TrustBundle
	}
	v.Difference = differ(base, v.Proposed)
	return v
}

// outdated reports whether the bundle is another one than the change was proposed
// against; have is false when there is none. Only Version and Status are looked at.
func outdated(p *storage.TrustProposal, b storage.TrustBundle, have bool) bool {
	if !have {
		return p.BaseVersion != 0
	}
	return b.Version != p.BaseVersion || b.Status != p.BaseStatus
}

// proposal is a proposed change and the bundle it is about.
type proposal struct {
	storage.TrustProposal
	bundle *storage.TrustBundle      // nil where there is none
	base   *registration.TrustBundle // what was in force when it was made; nil where nothing was
}

func findProposal(c *call, from storage.Reader, id string) (proposal, error) {
	p, err := from.TrustProposal(c.Context(), id)
	if err != nil {
		return proposal{}, err
	}
	b, err := findBundle(c, from, p.Bundle.Name)
	if errors.Is(err, storage.ErrNotFound) {
		return proposal{TrustProposal: p}, nil
	}
	if err != nil {
		return proposal{}, err
	}
	found := proposal{TrustProposal: p, bundle: &b.TrustBundle}
	if base, ok := b.version(p.BaseVersion); ok && p.BaseStatus == storage.BundleActive {
		found.base = &viewBundle(base).TrustBundle
	}
	return found, nil
}

var proposals = collection[proposal, *ProposalView]{
	path: "/admin/v1/trust-proposals",
	find: findProposal,
	view: func(c *call, p proposal) *ProposalView {
		if p.bundle == nil {
			return viewProposal(&p.TrustProposal, nil, outdated(&p.TrustProposal, storage.TrustBundle{}, false), c.now)
		}
		return viewProposal(&p.TrustProposal, p.base, outdated(&p.TrustProposal, *p.bundle, true), c.now)
	},
}

func getProposal(h *Handler, c *call) (*answer, error) { return proposals.get(h, c) }

// listProposals shows of each whether its bundle has changed since.
func listProposals(h *Handler, c *call) (*answer, error) {
	q, err := listing.Read(c.Request, "limit", "after", "status", "trust_bundle")
	if err != nil {
		return nil, err
	}
	status := storage.ProposalStatus(q.Text("status"))
	switch status {
	case "", storage.ProposalOpen, storage.ProposalApproved, storage.ProposalRejected, storage.ProposalWithdrawn:
	default:
		q.Bad.Add("status", "must be open (expired ones included), approved, rejected or withdrawn")
	}
	page, err := listing.Fetch(q, "after", func(limit int) ([]storage.TrustProposal, error) {
		return h.Store.TrustProposals(c.Context(), storage.ProposalQuery{
			TrustBundle: q.Text("trust_bundle"), Status: status, After: q.Text("after"), Limit: limit,
		})
	}, func(p *storage.TrustProposal) string { return p.ID })
	if err != nil {
		return nil, err
	}
	states, err := h.Store.TrustBundleStates(c.Context())
	if err != nil {
		return nil, err
	}
	shown := map[string]storage.TrustBundle{} // of each name the version in force, or the last
	for _, b := range states {
		if held, ok := shown[b.Name]; !ok || held.Status != storage.BundleActive {
			shown[b.Name] = b
		}
	}
	return &answer{link: page.Next, body: ProposalPage{views(page.Records, func(p storage.TrustProposal) ProposalSummary {
		b, have := shown[p.Bundle.Name]
		return summarizeProposal(&p, outdated(&p, b, have), c.now)
	})}}, nil
}
