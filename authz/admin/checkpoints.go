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
	a := &answer{}
	err = h.Store.Update(c.Context(), func(tx storage.Tx) error {
		stored, err := h.checkpointIn(c.Context(), c, tx)
		a.body = viewCheckpoint(stored)
		return err
	})
	if errors.Is(err, audit.ErrSigning) {
		return nil, refusal.New(decision.SigningUnavailable, err.Error())
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (h *Handler) checkpointIn(ctx context.Context, c *call, tx storage.Tx) (storage.AuditCheckpoint, error) {
	if err := stillCaller(ctx, tx, c.caller); err != nil {
		return storage.AuditCheckpoint{}, err
	}
	stored, signed, err := audit.AddCheckpoint(ctx, tx, h.Checkpoints, c.now)
	if err != nil {
		return stored, err
	}
	event := c.event(audit.CheckpointSigned, c.caller.client, map[string]any{"id": stored.ID, "kid": stored.KID, "heads": signed.Heads})
	return stored, h.Audit.Append(ctx, tx, event)
}

// listCheckpoints answers the newest first.
func listCheckpoints(h *Handler, c *call) (*answer, error) {
	q, err := listing.Read(c.Request, "limit", "before")
	if err != nil {
		return nil, err
	}
	before := int64(0)
	if text := q.Text("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			q.Bad.Add("before", listing.FromLink)
		}
	}
	page, err := listing.Fetch(q, "before",
		func(limit int) ([]storage.AuditCheckpoint, error) {
			return h.Store.AuditCheckpoints(c.Context(), before, limit)
		},
		func(p *storage.AuditCheckpoint) string { return strconv.FormatInt(p.ID, 10) })
	if err != nil {
		return nil, err
	}
	return &answer{body: CheckpointPage{views(page.Records, viewCheckpoint)}, link: page.Next}, nil
}
