package storage

import (
	"context"
	"time"
)

// AuditReader reads the audit events and what vouches for them.
type AuditReader interface {
	// AuditStreams returns every stream, in the order they were created.
	AuditStreams(ctx context.Context) ([]AuditStream, error)
	// AuditEvents returns the events that match every member of q, newest first;
	// of events of one second the later ones of a stream come first. To page, the
	// place of the last event is the next query's Before.
	//
	// RequestID, ClientID, PartnerID, Thumbprint, Reason and Kind answer fast however
	// many events there are: the first of them that is given says which events are
	// read until Limit have matched. PartnerID selects the events of the partner's
	// clients, as registered now, and those about the partner and no client. TokenID
	// is compared with each event that the other members leave: alone it reads every
	// event between Since and Until, so give a window.
	AuditEvents(ctx context.Context, q AuditQuery) ([]AuditEvent, error)
	// AuditChain returns at most limit events of one stream that come after
	// afterSeq, in their order.
	AuditChain(ctx context.Context, streamID, afterSeq int64, limit int) ([]AuditEvent, error)
	// AuditCheckpoints returns at most limit checkpoints, the last that was added
	// first; with before, only those whose ID is less than it.
	AuditCheckpoints(ctx context.Context, before int64, limit int) ([]AuditCheckpoint, error)
	// AuditPrunings returns at most limit prunings, the last that was added first;
	// with before, only those whose ID is less than it.
	AuditPrunings(ctx context.Context, before int64, limit int) ([]AuditPruning, error)
}

// AuditWriter writes audit events. They are never changed.
type AuditWriter interface {
	// AuditStreamFor returns the stream of an instance, and creates it when there
	// is none.
	AuditStreamFor(ctx context.Context, instance string, now time.Time) (AuditStream, error)
	// AppendAuditEvents adds complete events to a stream and moves its head to the
	// last of them. They must continue the head and each other in Seq and Prev.
	// ErrStale when the head is another: somebody has written to the stream since
	// it was read. ErrNotFound when there is no such stream. No events is no error.
	AppendAuditEvents(ctx context.Context, streamID int64, events []AuditEvent) error
	// IndexAuditEvents lets at most limit events behind a stream's IndexedSeq be
	// found fast, and returns how many. known are events of the stream that the
	// caller still has, in their order: they need not be read, and need no Detail.
	// Queries answer alike before and after; they read all events that are not
	// indexed yet, so somebody has to call this before there are many.
	IndexAuditEvents(ctx context.Context, streamID int64, known []AuditEvent, limit int) (int, error)
	// AddAuditCheckpoint inserts c and returns its ID; that of c is ignored.
	AddAuditCheckpoint(ctx context.Context, c AuditCheckpoint) (int64, error)
	// AddAuditPruning inserts p and returns its ID; that of p is ignored.
	AddAuditPruning(ctx context.Context, p AuditPruning) (int64, error)
	// PruneAuditStream lets a chain begin behind the event of a number, of that hash.
	// ErrStale when it does so already, or behind a later one; ErrConflict when the
	// event is not indexed yet. Nothing is deleted.
	PruneAuditStream(ctx context.Context, streamID, seq int64, hash AuditHash) error
	// DeletePrunedAuditEvents deletes events of a stream up to the number upTo, with
	// what they are found by, and never one behind its PrunedSeq. Events that were
	// appended together go together, so that fewer may be deleted, or none. It
	// returns how many were.
	DeletePrunedAuditEvents(ctx context.Context, streamID, upTo int64) (int64, error)
}

// AuditCommitter commits audit events and nothing else.
type AuditCommitter interface {
	// CommitAuditEvents does what Update with AppendAuditEvents does, at the least
	// cost, for who has read the stream or appended to it before. When registration
	// is not 0 the events are stored only if it is the RegistrationVersion of that
	// moment. ErrStale when it is not, or when the stream has events of these
	// numbers; which one, Update can tell.
	CommitAuditEvents(ctx context.Context, streamID int64, events []AuditEvent, registration int64) error
}
