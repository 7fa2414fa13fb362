package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// maxPruningBody bounds a checkpoint, which has a line for each instance there was.
const maxPruningBody = 1 << 20

// Pruner gives up audit events and deletes them; see audit.Sweeper.
type Pruner interface {
	ReadCheckpoint(ctx context.Context, compact string) (*audit.Checkpoint, error)
	ReadPruning(ctx context.Context, row storage.AuditPruning) (*audit.Pruning, error)
	Prune(ctx context.Context, tx storage.Tx, compact string, c *audit.Checkpoint, by string) (*audit.Pruning, []audit.PrunedStream, error)
	// Wake is called when events were given up.
	Wake()
}

// PruningBody says up to where the audit trail is to be pruned, and why.
type PruningBody struct {
	Checkpoint string `json:"checkpoint" doc:"A checkpoint that this server has signed. Events that it covers are given up, no others."`
	Reason     string `json:"reason,omitempty"`
}

// PruningView is a pruning as the API shows it.
type PruningView struct {
	ID           int64                `json:"id"`
	By           string               `json:"by" doc:"The administrator, or retention where the configuration says for how long events are kept."`
	Events       int64                `json:"events"`
	Streams      []audit.PrunedStream `json:"streams,omitempty" doc:"What was given up of each chain; only in the answer to the pruning itself."`
	CheckpointAt time.Time            `json:"checkpoint_at"`
	Checkpoint   string               `json:"checkpoint"`
	CreatedAt    time.Time            `json:"created_at"`
}

// PruningPage is a page of prunings, newest first.
type PruningPage struct {
	Prunings []PruningView `json:"prunings"`
}

func viewPruning(p *audit.Pruning, given []audit.PrunedStream) PruningView {
	return PruningView{
		ID: p.ID, By: p.By, Events: p.Events, Streams: given, Checkpoint: p.Checkpoint,
		CheckpointAt: time.Unix(p.Until.IssuedAt, 0).UTC(), CreatedAt: time.Unix(p.IssuedAt, 0).UTC(),
	}
}

// addPruning gives up what a checkpoint covers.
func addPruning(h *Handler, c *call) (*answer, error) {
	var body PruningBody
	bad, err := h.read(c, &body)
	if err != nil {
		return nil, err
	}
	compact := strings.TrimSpace(body.Checkpoint)
	if err := registration.CheckName("reason", body.Reason); err != nil {
		bad.At("/reason", err.Error())
	}
	checkpoint, err := h.Pruner.ReadCheckpoint(c.Context(), compact)
	switch {
	case errors.Is(err, audit.ErrSigning):
		return nil, refusal.New(decision.SigningUnavailable, err.Error())
	case err != nil:
		bad.At("/checkpoint", "is no checkpoint that this server has signed")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	a, err := h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		p, given, err := h.Pruner.Prune(ctx, tx, compact, checkpoint, c.caller.client.ID)
		if err != nil {
			return notPruned(err)
		}
		a.status, a.body = http.StatusCreated, viewPruning(p, given)
		detail := p.Detail(given)
		if body.Reason != "" {
			detail["reason"] = body.Reason
		}
		return h.Audit.Append(ctx, tx, c.event(audit.TrailPruned, storage.Client{}, detail))
	})
	if err == nil {
		h.Pruner.Wake()
	}
	return a, err
}

// notPruned is the refusal for what speaks against a pruning.
func notPruned(err error) error {
	switch {
	case errors.Is(err, audit.ErrSigning):
		return refusal.New(decision.SigningUnavailable, err.Error())
	case errors.Is(err, audit.ErrNothingToPrune), errors.Is(err, audit.ErrOtherTrail), errors.Is(err, audit.ErrRetained):
		f := refusal.Conflicting(refusal.Taken{Pointer: "/checkpoint", Detail: strings.TrimPrefix(err.Error(), "audit: ")})
		f.Detail = err.Error()
		return f
	}
	return err
}

// listPrunings answers the newest first.
func listPrunings(h *Handler, c *call) (*answer, error) {
	page, err := newestFirst(c, h.Store.AuditPrunings, func(p *storage.AuditPruning) int64 { return p.ID })
	if err != nil {
		return nil, err
	}
	list := make([]PruningView, len(page.Records))
	for i, row := range page.Records {
		p, err := h.Pruner.ReadPruning(c.Context(), row)
		if errors.Is(err, audit.ErrSigning) {
			return nil, refusal.New(decision.SigningUnavailable, err.Error())
		}
		if err != nil { // its key was revoked, or somebody has been at it: it proves nothing
			p = &audit.Pruning{ID: row.ID, IssuedAt: row.CreatedAt.Unix(), Until: &audit.Checkpoint{}}
		}
		list[i] = viewPruning(p, nil)
	}
	return &answer{body: PruningPage{list}, link: page.Next}, nil
}
