package admin

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// CheckpointView is a signed statement of where every chain of the audit trail was.
// Kept where nobody who can write to the database reaches it, Checkpoint is what
// `certbound audit verify --checkpoint` takes.
type CheckpointView struct {
	ID         int64     `json:"id"`
	Checkpoint string    `json:"checkpoint"` // a compact JWS
	KeyID      string    `json:"kid"`
	CreatedAt  time.Time `json:"created_at"`
}

// CheckpointPage is a page of checkpoints, newest first.
type CheckpointPage struct {
	Checkpoints []CheckpointView `json:"checkpoints"`
}

func viewCheckpoint(c storage.AuditCheckpoint) CheckpointView {
	return CheckpointView{c.ID, c.JWS, c.KID, c.CreatedAt}
}

// addCheckpoint signs the heads of all chains, stores the statement and records
// who asked for it, in one transaction. It takes no body.
func addCheckpoint(h *Handler, c *call) (*answer, error) {
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		return nil, refusal.New(decision.RequestMalformed, "a checkpoint takes no body")
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		stored, signed, err := audit.AddCheckpoint(ctx, tx, h.Checkpoints, c.now)
		if errors.Is(err, audit.ErrSigning) {
			return refusal.New(decision.SigningUnavailable, err.Error())
		}
		if err != nil {
			return err
		}
		view := viewCheckpoint(stored)
		if c.dryRun { // a statement of ours that nobody has recorded must not get out
			view.ID, view.Checkpoint = 0, ""
		}
		a.body = view
		event := c.event(audit.CheckpointSigned, c.caller.client, map[string]any{"id": stored.ID, "kid": stored.KID, "heads": signed.Heads})
		return h.Audit.Append(ctx, tx, event)
	})
}

// listCheckpoints answers the newest first.
func listCheckpoints(h *Handler, c *call) (*answer, error) {
	page, err := newestFirst(c, h.Store.AuditCheckpoints, func(p *storage.AuditCheckpoint) int64 { return p.ID })
	if err != nil {
		return nil, err
	}
	return &answer{body: CheckpointPage{views(page.Records, viewCheckpoint)}, link: page.Next}, nil
}

// newestFirst answers a page of what has numbers for ids and is read from the last
// one back.
func newestFirst[T any](c *call, from func(ctx context.Context, before int64, limit int) ([]T, error), id func(*T) int64) (listing.Page[T], error) {
	q, err := listing.Read(c.Request, "limit", "before")
	if err != nil {
		return listing.Page[T]{}, err
	}
	before := int64(0)
	if text := q.Text("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			q.Bad.Add("before", listing.FromLink)
		}
	}
	return listing.Fetch(q, "before",
		func(limit int) ([]T, error) { return from(c.Context(), before, limit) },
		func(p *T) string { return strconv.FormatInt(id(p), 10) })
}
