package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/certbound/certbound/storage"
)

const selectClient = `
	SELECT c.id, c.partner_id, p.disabled OR p.locked_at IS NOT NULL, c.name, c.method,
		c.matcher_kind, c.matcher_value, c.matcher_canonical, c.trust_bundle,
		(SELECT string_agg(s.scope, ' ') FROM client_scopes s WHERE s.client_id = c.id),
		c.disabled, c.generation, c.version, c.created_at, c.updated_at, c.jwks_uri, c.registered_only
	FROM clients c JOIN partners p ON p.id = c.partner_id `

func scanClient(scan func(...any) error) (c storage.Client, err error) {
	err = scan(&c.ID, &c.PartnerID, &c.PartnerDisabled, &c.Name, &c.Method,
		intoText(&c.Matcher.Kind), intoText(&c.Matcher.Value), intoText(&c.Matcher.Canonical), intoText(&c.TrustBundle),
		wordsInto{&c.Scopes},
		&c.Disabled, &c.Generation, &c.Version, timeInto{&c.CreatedAt}, timeInto{&c.UpdatedAt}, intoText(&c.JWKSURI), &c.RegisteredOnly)
	return c, err
}

// Client implements storage.ClientReader. Every token request reads this: one
// statement, three walks down an index.
func (r reader) Client(ctx context.Context, id string) (storage.Client, error) {
	found, err := list(ctx, r, selectClient+`WHERE c.id = $1`, []any{id}, scanClient)
	if err != nil {
		return storage.Client{}, err
	}
	if len(found) == 0 {
		return storage.Client{}, storage.ErrNotFound
	}
	return found[0], nil
}

// Clients implements storage.ClientReader.
func (r reader) Clients(ctx context.Context, q storage.ClientQuery) ([]storage.Client, error) {
	if err := positive("clients", q.Limit); err != nil {
		return nil, err
	}
	where, args := `WHERE c.id > $1`, []any{q.After}
	for _, filter := range []struct{ condition, value string }{
		{`c.partner_id = $%d`, q.PartnerID},
		{`c.trust_bundle = $%d`, q.TrustBundle},
		{`c.id IN (SELECT client_id FROM client_scopes WHERE scope = $%d)`, q.Scope},
	} {
		if filter.value != "" {
			args = append(args, filter.value)
			where += " AND " + fmt.Sprintf(filter.condition, len(args))
		}
	}
	args = append(args, q.Limit)
	return list(ctx, r, selectClient+where+fmt.Sprintf(` ORDER BY c.id LIMIT $%d`, len(args)), args, scanClient)
}

// ClientsMatching implements storage.ClientReader.
func (r reader) ClientsMatching(ctx context.Context, kind storage.MatcherKind, canonical string) ([]storage.Client, error) {
	return list(ctx, r, selectClient+`WHERE c.matcher_kind = $1 AND c.matcher_canonical = $2 ORDER BY c.trust_bundle`,
		[]any{string(kind), canonical}, scanClient)
}

// ClientsHolding implements storage.ClientReader.
func (r reader) ClientsHolding(ctx context.Context, scope string) ([]storage.Client, error) {
	return list(ctx, r, selectClient+`WHERE c.id IN (SELECT client_id FROM client_scopes WHERE scope = $1) ORDER BY c.id`,
		[]any{scope}, scanClient)
}

const (
	clientRefers      = "clients.partner_id or clients.trust_bundle refers to nothing"
	clientScopeRefers = "client_scopes.scope refers to no API's scope"
	generationLowered = "clients.generation must not be lowered"
)

// CreateClient implements storage.ClientWriter.
func (t *tx) CreateClient(ctx context.Context, c storage.Client) error {
	err := t.exec(ctx, clientRefers, `
		INSERT INTO clients (id, partner_id, name, method, matcher_kind, matcher_value, matcher_canonical, trust_bundle,
			disabled, generation, version, created_at, updated_at, jwks_uri, registered_only)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, 1, $10, $11, $12, $13)`,
		c.ID, c.PartnerID, c.Name, c.Method,
		text(c.Matcher.Kind), text(c.Matcher.Value), text(c.Matcher.Canonical), text(c.TrustBundle),
		c.Disabled, seconds(c.CreatedAt), seconds(orElse(c.UpdatedAt, c.CreatedAt)), text(c.JWKSURI), c.RegisteredOnly)
	if err == nil {
		err = t.followKeySet(ctx, c)
	}
	if err != nil {
		return err
	}
	return t.addClientScopes(ctx, c)
}

// UpdateClient implements storage.ClientWriter.
func (t *tx) UpdateClient(ctx context.Context, c storage.Client) error {
	var version int64
	changed, err := t.write(ctx, clientRefers, `
		UPDATE clients SET name = $1, method = $2, matcher_kind = $3, matcher_value = $4, matcher_canonical = $5,
			trust_bundle = $6, disabled = $7, generation = $8, version = version + 1, updated_at = coalesce($9, updated_at), jwks_uri = $12, registered_only = $13
		WHERE id = $10 AND version = $11 AND generation <= $8 RETURNING version`,
		[]any{c.Name, c.Method, text(c.Matcher.Kind), text(c.Matcher.Value), text(c.Matcher.Canonical),
			text(c.TrustBundle), c.Disabled, c.Generation, seconds(c.UpdatedAt), c.ID, c.Version, text(c.JWKSURI), c.RegisteredOnly}, &version)
	if err != nil {
		return err
	}
	if !changed {
		return t.unchanged(ctx, `SELECT version FROM clients WHERE id = $1`, c.ID, c.Version,
			&storage.ConflictError{Rule: generationLowered})
	}
	if err := t.followKeySet(ctx, c); err != nil {
		return err
	}
	return t.replaceClientScopes(ctx, c)
}

// RaiseGenerations implements storage.ClientWriter.
func (t *tx) RaiseGenerations(ctx context.Context, partnerID string, updatedAt time.Time) error {
	return t.exec(ctx, "clients", `
		UPDATE clients SET generation = generation + 1, version = version + 1, updated_at = coalesce($1, updated_at)
		WHERE partner_id = $2`, seconds(updatedAt), partnerID)
}

// RaiseGeneration implements storage.ClientWriter.
func (t *tx) RaiseGeneration(ctx context.Context, clientID string, updatedAt time.Time) (int64, error) {
	var generation int64
	raised, err := t.write(ctx, "clients", `
		UPDATE clients SET generation = generation + 1, version = version + 1, updated_at = coalesce($1, updated_at)
		WHERE id = $2 RETURNING generation`, []any{seconds(updatedAt), clientID}, &generation)
	if err == nil && !raised {
		err = t.fail(storage.ErrNotFound)
	}
	return generation, err
}

func (t *tx) replaceClientScopes(ctx context.Context, c storage.Client) error {
	var scope string
	if _, err := t.write(ctx, "", `DELETE FROM client_scopes WHERE client_id = $1 RETURNING scope`, []any{c.ID}, &scope); err != nil {
		return err
	}
	return t.addClientScopes(ctx, c)
}

func (t *tx) addClientScopes(ctx context.Context, c storage.Client) error {
	for _, scope := range c.Scopes {
		err := t.exec(ctx, clientScopeRefers, `INSERT INTO client_scopes (client_id, scope) VALUES ($1, $2)`, c.ID, scope)
		if err != nil {
			return err
		}
	}
	return nil
}
