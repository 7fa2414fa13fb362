package sqlstore

import (
	"context"

	"github.com/certbound/certbound/storage"
)

// Partner implements storage.PartnerReader.
func (r reader) Partner(ctx context.Context, id string) (storage.Partner, error) {
	p := storage.Partner{ID: id}
	err := r.one(ctx, `SELECT name, disabled, version, created_at, updated_at FROM partners WHERE id = $1`,
		[]any{id}, &p.Name, &p.Disabled, &p.Version, timeInto{&p.CreatedAt}, timeInto{&p.UpdatedAt})
	if err != nil {
		return storage.Partner{}, err
	}
	return p, nil
}

// CreatePartner implements storage.PartnerWriter.
func (t *tx) CreatePartner(ctx context.Context, p storage.Partner) error {
	return t.exec(ctx, "partners", `
		INSERT INTO partners (id, name, disabled, version, created_at, updated_at) VALUES ($1, $2, $3, 1, $4, $5)`,
		p.ID, p.Name, p.Disabled, seconds(p.CreatedAt), seconds(orElse(p.UpdatedAt, p.CreatedAt)))
}

// UpdatePartner implements storage.PartnerWriter.
func (t *tx) UpdatePartner(ctx context.Context, p storage.Partner) error {
	var version int64
	changed, err := t.write(ctx, "partners", `
		UPDATE partners SET name = $1, disabled = $2, version = version + 1, updated_at = coalesce($3, updated_at)
		WHERE id = $4 AND version = $5 RETURNING version`,
		[]any{p.Name, p.Disabled, seconds(p.UpdatedAt), p.ID, p.Version}, &version)
	if err != nil || changed {
		return err
	}
	return t.unchanged(ctx, `SELECT version FROM partners WHERE id = $1`, p.ID, p.Version, storage.ErrStale)
}
