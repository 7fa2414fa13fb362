package storage

import (
	"context"
	"time"
)

// ProposalReader reads proposed changes of trust bundles.
type ProposalReader interface {
	// TrustProposal returns one proposal, or ErrNotFound.
	TrustProposal(ctx context.Context, id string) (TrustProposal, error)
	// TrustProposals returns at most q.Limit proposals that match every member of q, in
	// the order of ids, byte by byte, without the certificates.
	TrustProposals(ctx context.Context, q ProposalQuery) ([]TrustProposal, error)
	// CountOpenProposals counts those that can still be decided on at now.
	CountOpenProposals(ctx context.Context, now time.Time) (int64, error)
}

// ProposalQuery selects proposals; empty members select all.
type ProposalQuery struct {
	TrustBundle string
	Status      ProposalStatus
	After       string // ids after this one
	Limit       int    // at least 1
}

// ProposalWriter writes proposed changes of trust bundles. They are no part of the
// registration; what becomes of them is.
type ProposalWriter interface {
	// CreateTrustProposal inserts p, open; ErrConflict if the id is taken. It forgets
	// what was decided, or had expired, before the given time.
	CreateTrustProposal(ctx context.Context, p TrustProposal, forget time.Time) error
	// DecideTrustProposal writes Status, DecidedBy, DecidedAt, DecisionReason and
	// AppliedVersion of an open proposal that has not expired by DecidedAt; ErrNotFound
	// if there is no such proposal, ErrStale if it was decided or has expired.
	DecideTrustProposal(ctx context.Context, p TrustProposal) error
}
