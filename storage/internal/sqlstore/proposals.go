package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/certbound/certbound/storage"
)

// selectProposal is all of a proposal; listProposal leaves out the certificates,
// which are megabytes.
const (
	selectProposal = `SELECT id, action, bundle, content_hash, anchors_pem, intermediates_pem, issuers_pem, ` + restOfProposal
	listProposal   = `SELECT id, action, bundle, content_hash, '', '', '', ` + restOfProposal
	restOfProposal = `max_depth, allow_public_roots, base_version, base_status, reason, proposed_by,
		created_at, expires_at, status, decided_by, decided_at, decision_reason, applied_version FROM trust_proposals `
)

func scanProposal(scan func(...any) error) (p storage.TrustProposal, err error) {
	b := &p.Bundle
	err = scan(&p.ID, &p.Action, &b.Name, &b.ContentHash, &b.AnchorsPEM, &b.IntermediatesPEM, &b.IssuersPEM,
		&b.MaxDepth, &b.AllowPublicRoots, &p.BaseVersion, &p.BaseStatus, &p.Reason, &p.ProposedBy,
		timeInto{&p.CreatedAt}, timeInto{&p.ExpiresAt}, &p.Status, &p.DecidedBy, timeInto{&p.DecidedAt}, &p.DecisionReason, &p.AppliedVersion)
	return p, err
}

// TrustProposal implements storage.ProposalReader.
func (r reader) TrustProposal(ctx context.Context, id string) (storage.TrustProposal, error) {
	found, err := list(ctx, r, selectProposal+`WHERE id = $1`, []any{id}, scanProposal)
	if err != nil {
		return storage.TrustProposal{}, err
	}
	if len(found) == 0 {
		return storage.TrustProposal{}, storage.ErrNotFound
	}
	return found[0], nil
}

// TrustProposals implements storage.ProposalReader.
func (r reader) TrustProposals(ctx context.Context, q storage.ProposalQuery) ([]storage.TrustProposal, error) {
	if err := positive("trust proposals", q.Limit); err != nil {
		return nil, err
	}
	where, args := `WHERE id > $1`, []any{q.After}
	for _, filter := range []struct{ condition, value string }{
		{`bundle = $%d`, q.TrustBundle},
		{`status = $%d`, string(q.Status)},
	} {
		if filter.value != "" {
			args = append(args, filter.value)
			where += " AND " + fmt.Sprintf(filter.condition, len(args))
		}
	}
	args = append(args, q.Limit)
	return list(ctx, r, listProposal+where+fmt.Sprintf(` ORDER BY id LIMIT $%d`, len(args)), args, scanProposal)
}

// CountOpenProposals implements storage.ProposalReader.
func (r reader) CountOpenProposals(ctx context.Context, now time.Time) (n int64, err error) {
	err = r.one(ctx, `SELECT count(*) FROM trust_proposals WHERE status = 'open' AND expires_at > $1`, []any{now.Unix()}, &n)
	return n, err
}

// CreateTrustProposal implements storage.ProposalWriter.
func (t *tx) CreateTrustProposal(ctx context.Context, p storage.TrustProposal, forget time.Time) error {
	if err := t.execBeside(ctx, "", `DELETE FROM trust_proposals WHERE coalesce(decided_at, expires_at) < $1`, seconds(forget)); err != nil {
		return err
	}
	b := &p.Bundle
	return t.execBeside(ctx, "trust_proposals", `
		INSERT INTO trust_proposals (id, action, bundle, content_hash, anchors_pem, intermediates_pem, issuers_pem,
			max_depth, allow_public_roots, base_version, base_status, reason, proposed_by, created_at, expires_at,
			status, decided_by, decision_reason, applied_version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'open', '', '', 0)`,
		p.ID, string(p.Action), b.Name, b.ContentHash, b.AnchorsPEM, b.IntermediatesPEM, b.IssuersPEM,
		b.MaxDepth, b.AllowPublicRoots, p.BaseVersion, string(p.BaseStatus), p.Reason, p.ProposedBy, seconds(p.CreatedAt), seconds(p.ExpiresAt))
}

// DecideTrustProposal implements storage.ProposalWriter.
func (t *tx) DecideTrustProposal(ctx context.Context, p storage.TrustProposal) error {
	var one int
	decided, err := t.writeBeside(ctx, "trust_proposals", `
		UPDATE trust_proposals SET status = $1, decided_by = $2, decided_at = $3, decision_reason = $4, applied_version = $5
		WHERE id = $6 AND status = 'open' AND expires_at > $3 RETURNING 1`,
		[]any{string(p.Status), p.DecidedBy, seconds(p.DecidedAt), p.DecisionReason, p.AppliedVersion, p.ID}, &one)
	if err != nil || decided {
		return err
	}
	if _, err := t.TrustProposal(ctx, p.ID); err != nil {
		return t.fail(err)
	}
	return t.fail(storage.ErrStale)
}
