package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/storage"
)

const apiScopesHeld = "api_scopes.scope is held by a client"

const selectAPI = `
	SELECT a.id, a.audience, a.token_lifetime_seconds, a.signing_alg,
		(SELECT string_agg(s.scope, ' ') FROM api_scopes s WHERE s.api_id = a.id),
		(SELECT string_agg(r.client_id, ' ') FROM api_resource_servers r WHERE r.api_id = a.id),
		a.version, a.created_at, a.updated_at
	FROM apis a `

func scanAPI(scan func(...any) error) (a storage.API, err error) {
	var lifetime int64
	err = scan(&a.ID, &a.Audience, &lifetime, &a.SigningAlg, wordsInto{&a.Scopes}, wordsInto{&a.ResourceServers},
		&a.Version, timeInto{&a.CreatedAt}, timeInto{&a.UpdatedAt})
	a.TokenLifetime = time.Duration(lifetime) * time.Second
	return a, err
}

func (r reader) apis(ctx context.Context, where string, args []any) ([]storage.API, error) {
	list := []storage.API{}
	err := r.each(ctx, selectAPI+where, args, func(scan func(...any) error) error {
		a, err := scanAPI(scan)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// SigningAlgorithms implements storage.APIReader.
func (r reader) SigningAlgorithms(ctx context.Context) ([]string, error) {
	list := []string{}
	err := r.each(ctx, `SELECT DISTINCT signing_alg FROM apis WHERE signing_alg <> '' ORDER BY signing_alg`, nil,
		func(scan func(...any) error) error {
			var algorithm string
			err := scan(&algorithm)
			list = append(list, algorithm)
			return err
		})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// IsResourceServer implements storage.APIReader.
func (r reader) IsResourceServer(ctx context.Context, clientID string) (bool, error) {
	var apis int
	err := r.one(ctx, `SELECT count(*) FROM api_resource_servers WHERE client_id = $1`, []any{clientID}, &apis)
	return apis > 0, err
}

// API implements storage.APIReader.
func (r reader) API(ctx context.Context, id string) (storage.API, error) {
	return r.api(ctx, `WHERE a.id = $1`, id)
}

// APIs implements storage.APIReader.
func (r reader) APIs(ctx context.Context, after string, limit int) ([]storage.API, error) {
	if err := positive("APIs", limit); err != nil {
		return nil, err
	}
	return r.apis(ctx, `WHERE a.id > $1 ORDER BY a.id LIMIT $2`, []any{after, limit})
}

// APIByAudience implements storage.APIReader.
func (r reader) APIByAudience(ctx context.Context, audience string) (storage.API, error) {
	return r.api(ctx, `WHERE a.audience = $1`, audience)
}

// api reads the one API that where selects.
func (r reader) api(ctx context.Context, where, value string) (storage.API, error) {
	list, err := r.apis(ctx, where, []any{value})
	if err != nil {
		return storage.API{}, err
	}
	if len(list) == 0 {
		return storage.API{}, storage.ErrNotFound
	}
	return list[0], nil
}

// APIsOwningScopes implements storage.APIReader.
func (r reader) APIsOwningScopes(ctx context.Context, scopes []string) ([]storage.API, error) {
	if len(scopes) == 0 {
		return []storage.API{}, nil
	}
	in, args := placeholders(scopes)
	return r.apis(ctx, `WHERE a.id IN (SELECT api_id FROM api_scopes WHERE scope IN (`+in+`)) ORDER BY a.id`, args)
}

// CreateAPI implements storage.APIWriter.
func (t *tx) CreateAPI(ctx context.Context, a storage.API) error {
	lifetime, err := t.lifetimeSeconds(a)
	if err != nil {
		return err
	}
	err = t.exec(ctx, "apis", `
		INSERT INTO apis (id, audience, token_lifetime_seconds, signing_alg, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, 1, $5, $6)`,
		a.ID, a.Audience, lifetime, a.SigningAlg, seconds(a.CreatedAt), seconds(orElse(a.UpdatedAt, a.CreatedAt)))
	if err != nil {
		return err
	}
	return t.setMembers(ctx, storage.API{ID: a.ID}, a)
}

// UpdateAPI implements storage.APIWriter.
func (t *tx) UpdateAPI(ctx context.Context, a storage.API) error {
	lifetime, err := t.lifetimeSeconds(a)
	if err != nil {
		return err
	}
	var version int64
	changed, err := t.write(ctx, "apis", `
		UPDATE apis SET audience = $1, token_lifetime_seconds = $2, signing_alg = $3, version = version + 1,
			updated_at = coalesce($4, updated_at)
		WHERE id = $5 AND version = $6 RETURNING version`,
		[]any{a.Audience, lifetime, a.SigningAlg, seconds(a.UpdatedAt), a.ID, a.Version}, &version)
	if err != nil {
		return err
	}
	if !changed {
		return t.unchanged(ctx, `SELECT version FROM apis WHERE id = $1`, a.ID, a.Version, storage.ErrStale)
	}
	was, err := t.API(ctx, a.ID)
	if err != nil {
		return t.fail(err)
	}
	return t.setMembers(ctx, was, a)
}

// lifetimeSeconds refuses what the column would cut off silently.
func (t *tx) lifetimeSeconds(a storage.API) (int64, error) {
	if a.TokenLifetime%time.Second != 0 {
		return 0, t.fail(fmt.Errorf("storage: token lifetime %s of API %q is not whole seconds", a.TokenLifetime, a.ID))
	}
	return int64(a.TokenLifetime / time.Second), nil
}

// setMembers turns the scopes and resource servers of was into those of a. Only
// the differences are written: a scope that clients hold cannot be taken away
// and given back.
func (t *tx) setMembers(ctx context.Context, was, a storage.API) error {
	err := t.setMember(ctx, a.ID, was.Scopes, a.Scopes, apiScopesHeld,
		`DELETE FROM api_scopes WHERE api_id = $1 AND scope = $2`,
		`INSERT INTO api_scopes (api_id, scope) VALUES ($1, $2)`)
	if err != nil {
		return err
	}
	return t.setMember(ctx, a.ID, was.ResourceServers, a.ResourceServers, "api_resource_servers.client_id refers to no client",
		`DELETE FROM api_resource_servers WHERE api_id = $1 AND client_id = $2`,
		`INSERT INTO api_resource_servers (api_id, client_id) VALUES ($1, $2)`)
}

func (t *tx) setMember(ctx context.Context, id string, was, want []string, refers, remove, add string) error {
	for _, member := range was {
		if !slices.Contains(want, member) {
			if err := t.exec(ctx, refers, remove, id, member); err != nil {
				return err
			}
		}
	}
	for _, member := range want {
		if !slices.Contains(was, member) {
			if err := t.exec(ctx, refers, add, id, member); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteAPI implements storage.APIWriter.
func (t *tx) DeleteAPI(ctx context.Context, id string, version int64) error {
	var one int
	deleted, err := t.write(ctx, apiScopesHeld, `DELETE FROM apis WHERE id = $1 AND version = $2 RETURNING 1`, []any{id, version}, &one)
	if err != nil || deleted {
		return err
	}
	return t.unchanged(ctx, `SELECT version FROM apis WHERE id = $1`, id, version, storage.ErrStale)
}
