package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/certbound/certbound/storage"
)

const (
	// MinRetention is the least that may be configured: whoever looks into an incident
	// needs the weeks before it.
	MinRetention = 30 * 24 * time.Hour

	// Without a checkpoint nothing can be pruned, so one is made where nobody asks.
	checkpointEvery = 24 * time.Hour
	retainEvery     = time.Hour
	retainPage      = 100 // checkpoints that are read at once
)

// ErrRetained: the configuration says that these events are still to be kept.
var ErrRetained = errors.New("audit: the checkpoint is younger than the configured retention")

// Prune is [Prune] for an administrator: a checkpoint within the configured
// retention is ErrRetained. It takes the checkpoint as it was signed; read it with
// ReadCheckpoint before the transaction.
func (s *Sweeper) Prune(ctx context.Context, tx storage.Tx, compact string, c *Checkpoint, by string) (*Pruning, []PrunedStream, error) {
	now := s.Clock().UTC()
	if s.Retention > 0 && time.Unix(c.IssuedAt, 0).After(now.Add(-s.Retention)) {
		return nil, nil, ErrRetained
	}
	return Prune(ctx, tx, s.Signer, compact, c, by, now)
}

// ReadCheckpoint reads a checkpoint that this server has signed.
func (s *Sweeper) ReadCheckpoint(ctx context.Context, compact string) (*Checkpoint, error) {
	keySet, err := s.Signer.JWKS(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigning, err)
	}
	return ParseCheckpoint(compact, keySet)
}

// ReadPruning reads a stored pruning.
func (s *Sweeper) ReadPruning(ctx context.Context, row storage.AuditPruning) (*Pruning, error) {
	keySet, err := s.Signer.JWKS(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigning, err)
	}
	p, err := ParsePruning(row.JWS, keySet)
	if err == nil {
		p.ID = row.ID
	}
	return p, err
}

// retain gives up what has been kept for long enough: up to the newest checkpoint
// that is as old as that.
func (s *Sweeper) retain(ctx context.Context) error {
	now := s.Clock().UTC().Truncate(time.Second)
	if s.Retention == 0 || now.Before(s.due) && s.due.Sub(now) <= retainEvery { // beyond: the clock was ahead
		return nil
	}
	if err := s.checkpoint(ctx, now); err != nil {
		return err
	}
	compact, c, err := s.aged(ctx, now)
	if err != nil {
		return err
	}
	if c != nil {
		if err := s.prune(ctx, compact, c, now); err != nil {
			return err
		}
	}
	s.due = now.Add(retainEvery)
	return nil
}

// checkpoint signs one when the last is a day old, or a day ahead of the clock. Of
// several instances that find so at once one does it.
func (s *Sweeper) checkpoint(ctx context.Context, now time.Time) error {
	return s.Store.Update(ctx, func(tx storage.Tx) error {
		last, err := tx.AuditCheckpoints(ctx, 0, 1)
		if err != nil || len(last) > 0 && now.Sub(last[0].CreatedAt).Abs() < checkpointEvery {
			return err
		}
		stored, signed, err := AddCheckpoint(ctx, tx, s.Signer, now)
		if err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, Event{
			Time: now, Kind: CheckpointSigned, Actor: Retention,
			Detail: map[string]any{"id": stored.ID, "kid": stored.KID, "heads": signed.Heads},
		})
	})
}

// aged returns the newest checkpoint that is as old as the retention, and before which
// none was signed that is not: such a one was signed while the clock was behind, and
// what it covers is younger than it says. What a row says besides its checkpoint is
// believed only where it keeps events.
func (s *Sweeper) aged(ctx context.Context, now time.Time) (compact string, c *Checkpoint, err error) {
	until := now.Add(-s.Retention)
	for before := int64(0); ; {
		page, err := s.Store.AuditCheckpoints(ctx, before, retainPage)
		if err != nil {
			return "", nil, err
		}
		for _, row := range page {
			before = row.ID
			switch {
			case row.CreatedAt.After(now): // the clock was ahead
			case row.CreatedAt.After(until):
				compact, c = "", nil
			case c == nil:
				read, err := s.ReadCheckpoint(ctx, row.JWS)
				if err != nil && !errors.Is(err, errCheckpoint) {
					return "", nil, err
				}
				if err == nil && !time.Unix(read.IssuedAt, 0).After(until) {
					compact, c = row.JWS, read
				}
			}
		}
		if len(page) < retainPage {
			return compact, c, nil
		}
	}
}

func (s *Sweeper) prune(ctx context.Context, compact string, c *Checkpoint, now time.Time) error {
	err := s.Store.Update(ctx, func(tx storage.Tx) error {
		p, given, err := Prune(ctx, tx, s.Signer, compact, c, Retention, now)
		if err != nil {
			return err
		}
		detail := p.Detail(given)
		detail["retention_seconds"] = int64(s.Retention / time.Second)
		return s.Audit.Append(ctx, tx, Event{Time: now, Kind: TrailPruned, Actor: Retention, Detail: detail})
	})
	switch {
	case errors.Is(err, ErrNothingToPrune):
		return nil
	case err == nil:
		s.Logger.LogAttrs(ctx, slog.LevelInfo, "audit_pruned", slog.Time("checkpoint", time.Unix(c.IssuedAt, 0).UTC()))
	}
	return err
}
