package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/storage"
)

// PruningType is the typ header of a signed pruning.
const PruningType = "certbound-audit-pruning+jwt"

// Pruning is a statement that events up to a checkpoint were given up. It is signed
// by the checkpoints' keys, so that who can only write to the database cannot make
// one: events that are missing without it were removed behind our back.
type Pruning struct {
	IssuedAt   int64  `json:"iat"` // seconds since 1970
	By         string `json:"by"`  // the administrator, or Retention
	Events     int64  `json:"events"`
	Checkpoint string `json:"checkpoint"` // as it was signed

	ID    int64       `json:"-"` // in the database
	Until *Checkpoint `json:"-"` // Checkpoint, read
}

// Retention is who prunes where the configuration says for how long events are kept.
const Retention = "retention"

// ParsePruning reads a signed pruning and the checkpoint in it. keySet is the JWK
// set of the keys of CheckpointPurpose.
func ParsePruning(compact string, keySet []byte) (*Pruning, error) {
	var p Pruning
	if err := parseSigned(compact, PruningType, keySet, &p); err != nil {
		return nil, err
	}
	var err error
	if p.Until, err = ParseCheckpoint(p.Checkpoint, keySet); err != nil {
		return nil, err
	}
	return &p, nil
}

// Errors of a pruning.
var (
	// ErrNothingToPrune: events up to the checkpoint have been pruned before, or there
	// were none.
	ErrNothingToPrune = errors.New("audit: there is nothing left to prune up to this checkpoint")
	// ErrOtherTrail: the trail is not the one the checkpoint has seen. What may be
	// evidence is not deleted.
	ErrOtherTrail = errors.New("audit: the trail is not what the checkpoint has seen; ask certbound audit verify --checkpoint")
)

// PrunedStream is the part of a chain that a pruning gives up.
type PrunedStream struct {
	Instance string `json:"instance"`
	First    int64  `json:"first"` // numbers of events
	Last     int64  `json:"last"`
}

// Prune lets every chain begin behind its head of the checkpoint, and stores the
// signed statement of that: the events are given up from then on, and deleted later
// by a Sweeper. The caller appends the event that says who wanted it. compact is the
// checkpoint as it was signed.
func Prune(ctx context.Context, tx storage.Tx, signer Signer, compact string, c *Checkpoint, by string, now time.Time) (*Pruning, []PrunedStream, error) {
	streams, err := tx.AuditStreams(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("audit: prune: %w", err)
	}
	p := &Pruning{IssuedAt: now.Unix(), By: by, Checkpoint: compact, Until: c}
	given := []PrunedStream{}
	for _, head := range c.Heads {
		at := slices.IndexFunc(streams, func(s storage.AuditStream) bool { return s.Instance == head.Instance })
		if at < 0 {
			return nil, nil, fmt.Errorf("%w: stream %s is gone", ErrOtherTrail, head.Instance)
		}
		stream := streams[at]
		if head.Seq <= stream.PrunedSeq {
			continue
		}
		if err := giveUp(ctx, tx, stream, head); err != nil {
			return nil, nil, err
		}
		p.Events += head.Seq - stream.PrunedSeq
		given = append(given, PrunedStream{head.Instance, stream.PrunedSeq + 1, head.Seq})
	}
	if len(given) == 0 {
		return nil, nil, ErrNothingToPrune
	}
	return p, given, p.store(ctx, tx, signer)
}

// giveUp lets a stream begin behind a head that it had. Its events are indexed by
// now, but for those of processes that are no more.
func giveUp(ctx context.Context, tx storage.Tx, stream storage.AuditStream, head Head) error {
	found, err := tx.AuditChain(ctx, stream.ID, head.Seq-1, 1)
	if err != nil {
		return fmt.Errorf("audit: prune: %w", err)
	}
	if len(found) == 0 || found[0].Seq != head.Seq || hashText(found[0].Hash) != head.Hash {
		return fmt.Errorf("%w: event %d of stream %s is another one, or gone", ErrOtherTrail, head.Seq, head.Instance)
	}
	for seq := stream.IndexedSeq; seq < head.Seq; {
		indexed, err := tx.IndexAuditEvents(ctx, stream.ID, nil, indexAtOnce)
		if err != nil {
			return fmt.Errorf("audit: prune: %w", err)
		}
		if indexed == 0 {
			return fmt.Errorf("%w: stream %s ends before event %d", ErrOtherTrail, head.Instance, head.Seq)
		}
		seq += int64(indexed)
	}
	return tx.PruneAuditStream(ctx, stream.ID, head.Seq, found[0].Hash)
}

// store signs and inserts the statement.
func (p *Pruning) store(ctx context.Context, tx storage.Tx, signer Signer) error {
	payload, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("audit: prune: %w", err)
	}
	compact, err := signer.Sign(payload, PruningType)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSigning, err)
	}
	kid, err := signedBy(compact)
	if err != nil {
		return err
	}
	p.ID, err = tx.AddAuditPruning(ctx, storage.AuditPruning{KID: kid, JWS: compact, CreatedAt: time.Unix(p.IssuedAt, 0).UTC()})
	return err
}

// Detail is what the audit event of a pruning says.
func (p *Pruning) Detail(given []PrunedStream) map[string]any {
	return map[string]any{
		"id": p.ID, "events": p.Events, "streams": given, "checkpoint_at": time.Unix(p.Until.IssuedAt, 0).UTC(),
	}
}
