package sqlstore

import (
	"context"
	"fmt"

	"github.com/certbound/certbound/storage"
)

const selectPartner = `
	SELECT id, name, disabled, locked_at, lock_reason, version, created_at, updated_at FROM partners `

func scanPartner(scan func(...any) error) (p storage.Partner, err error) {
	err = scan(&p.ID, &p.Name, &p.Disabled, timeInto{&p.LockedAt}, intoText(&p.LockReason), &p.Version,
		timeInto{&p.CreatedAt}, timeInto{&p.UpdatedAt})
	return p, err
}

// positive checks the limit of a list.
func positive(what string, limit int) error {
	if limit < 1 {
		return fmt.Errorf("storage: %s: limit %d is not positive", what, limit)
	}
	return nil
}

// Partner implements storage.PartnerReader.
func (r reader) Partner(ctx context.Context, id string) (storage.Partner, error) {
	found, err := list(ctx, r, selectPartner+`WHERE id = $1`, []any{id}, scanPartner)
	if err != nil {
		return storage.Partner{}, err
	}
	if len(found) == 0 {
		return storage.Partner{}, storage.ErrNotFound
	}
	return found[0], nil
}

// Partners implements storage.PartnerReader.
func (r reader) Partners(ctx context.Context, after string, limit int) ([]storage.Partner, error) {
	if err := positive("partners", limit); err != nil {
		return nil, err
	}
	return list(ctx, r, selectPartner+`WHERE id > $1 ORDER BY id LIMIT $2`, []any{after, limit}, scanPartner)
}

// CreatePartner implements storage.PartnerWriter.
func (t *tx) CreatePartner(ctx context.Context, p storage.Partner) error {
	return t.exec(ctx, "partners", `
		INSERT INTO partners (id, name, disabled, locked_at, lock_reason, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, 1, $6, $7)`,
		p.ID, p.Name, p.Disabled, seconds(p.LockedAt), text(p.LockReason),
		seconds(p.CreatedAt), seconds(orElse(p.UpdatedAt, p.CreatedAt)))
}

// UpdatePartner implements storage.PartnerWriter.
func (t *tx) UpdatePartner(ctx context.Context, p storage.Partner) error {
	var version int64
	changed, err := t.write(ctx, "partners", `
		UPDATE partners SET name = $1, disabled = $2, locked_at = $3, lock_reason = $4, version = version + 1,
			updated_at = coalesce($5, updated_at)
		WHERE id = $6 AND version = $7 RETURNING version`,
		[]any{p.Name, p.Disabled, seconds(p.LockedAt), text(p.LockReason), seconds(p.UpdatedAt), p.ID, p.Version}, &version)
	if err != nil || changed {
		return err
	}
	return t.unchanged(ctx, `SELECT version FROM partners WHERE id = $1`, p.ID, p.Version, storage.ErrStale)
}
