package admin

import (
	"context"
	"errors"
	"strconv"
	"time"

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
func (h *Handler) addCheckpoint(c *call) (*answer, *refusal) {
	data, f := c.body()
	if f != nil {
		return nil, f
	}
	if len(data) > 0 {
		return nil, refuse(decision.RequestMalformed, "a checkpoint takes no body")
	}
	a := &answer{}
	err := h.Store.Update(c.Context(), func(tx storage.Tx) error {
		stored, err := h.checkpointIn(c.Context(), c, tx)
		a.body = viewCheckpoint(stored)
		return err
	})
	if errors.Is(err, audit.ErrSigning) {
		return nil, refuse(decision.SigningUnavailable, err.Error())
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return a, nil
}

func (h *Handler) checkpointIn(ctx context.Context, c *call, tx storage.Tx) (storage.AuditCheckpoint, error) {
	if f := stillCaller(ctx, tx, c.caller); f != nil {
		return storage.AuditCheckpoint{}, f
	}
	stored, signed, err := audit.AddCheckpoint(ctx, tx, h.Checkpoints, c.now)
	if err != nil {
		return stored, err
	}
	event := c.event(audit.CheckpointSigned, c.caller.client, map[string]any{"id": stored.ID, "kid": stored.KID, "heads": signed.Heads})
	return stored, h.Audit.Append(ctx, tx, event)
}

// listCheckpoints answers the newest first.
func (h *Handler) listCheckpoints(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "limit", "before")
	if f != nil {
		return nil, f
	}
	limit, before := q.limit(), int64(0)
	if text := q.text("before"); text != "" {
		var err error
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			q.bad.add("before", "must come from the Link of a page")
		}
	}
	if f := q.bad.refusal(); f != nil {
		return nil, f
	}
	found, err := h.Store.AuditCheckpoints(c.Context(), before, limit+1)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &answer{}
	if len(found) > limit {
		found = found[:limit]
		a.link = q.next(c.URL.Path, "before", strconv.FormatInt(found[limit-1].ID, 10))
	}
	list := make([]CheckpointView, len(found))
	for i := range found {
		list[i] = viewCheckpoint(found[i])
	}
	a.body = CheckpointPage{list}
	return a, nil
}
