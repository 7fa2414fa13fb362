package storage

import "time"

// BundleAction is what a proposal would make of a trust bundle.
type BundleAction string

// The actions. A roll-back is a change to the content of an earlier version.
const (
	CreateBundle BundleAction = "create"
	ChangeBundle BundleAction = "change"
	RetireBundle BundleAction = "retire"
)

// ProposalStatus is what has become of a proposal.
type ProposalStatus string

// A proposal is open until it is decided. When it has expired it is still open and
// nobody can decide on it.
const (
	ProposalOpen      ProposalStatus = "open"
	ProposalApproved  ProposalStatus = "approved"
	ProposalRejected  ProposalStatus = "rejected"  // by another administrator
	ProposalWithdrawn ProposalStatus = "withdrawn" // by the one who made it
)

// TrustProposal is a change of a trust bundle that one administrator has proposed and
// another one has to approve. What is proposed never changes.
type TrustProposal struct {
	ID     string
	Action BundleAction
	// Bundle is the proposed content, under the name of the bundle; of one that is to be
	// retired only the name. Version, Status, CreatedBy and CreatedAt are not stored.
	Bundle TrustBundle
	// BaseVersion and BaseStatus are the bundle it was proposed against: the active
	// version, or the last one where none is. 0 and "" where there was no bundle.
	BaseVersion int64
	BaseStatus  TrustBundleStatus
	Reason      string // the proposer's words
	ProposedBy  string // client id of the administrator
	CreatedAt   time.Time
	ExpiresAt   time.Time // nobody can approve it from here on

	Status         ProposalStatus
	DecidedBy      string // empty while it is open
	DecidedAt      time.Time
	DecisionReason string
	AppliedVersion int64 // of the bundle, once it is approved; 0 when the bundle was retired
}
