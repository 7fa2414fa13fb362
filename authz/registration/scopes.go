package registration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/storage"
)

// growAPIs creates what is missing and adds scopes, and takes none away yet. A
// scope that another API still owns is left to finishAPIs.
func (r *records) growAPIs(ctx context.Context, tx storage.Tx) error {
	return r.eachAPI(func(want storage.API) error {
		foreign, err := ownedByOthers(ctx, tx, want)
		if err != nil {
			return err
		}
		want.Scopes = Without(want.Scopes, foreign)
		have, err := tx.API(ctx, want.ID)
		if errors.Is(err, storage.ErrNotFound) {
			want.ResourceServers = nil // clients that may not exist yet
			return tx.CreateAPI(ctx, want)
		}
		if err != nil {
			return err
		}
		want.Scopes = Distinct(append(want.Scopes, have.Scopes...))
		want.ResourceServers = have.ResourceServers
		return EnsureAPI(ctx, tx, have, want)
	})
}

// ownedByOthers returns the scopes of want that belong to another API now.
func ownedByOthers(ctx context.Context, tx storage.Tx, want storage.API) ([]string, error) {
	owners, err := tx.APIsOwningScopes(ctx, want.Scopes)
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, owner := range owners {
		if owner.ID != want.ID {
			foreign = append(foreign, owner.Scopes...)
		}
	}
	return foreign, nil
}

// shrinkAPIs takes scopes away, after the clients let go of them.
func (r *records) shrinkAPIs(ctx context.Context, tx storage.Tx) error {
	return r.eachAPI(func(want storage.API) error {
		have, err := tx.API(ctx, want.ID)
		if err != nil {
			return err
		}
		gone := Without(have.Scopes, want.Scopes)
		want.Scopes, want.ResourceServers = Without(have.Scopes, gone), have.ResourceServers
		err = EnsureAPI(ctx, tx, have, want)
		if err != nil && len(gone) > 0 {
			return fmt.Errorf("taking away %q: %w%s", gone, err, r.inTwoSteps(have.ID, gone))
		}
		return err
	})
}

// inTwoSteps explains why a scope does not move while somebody holds it: a
// client would have rights at another API without anybody having said so.
func (r *records) inTwoSteps(from string, gone []string) string {
	for _, a := range r.apis {
		for _, scope := range a.Scopes {
			if a.ID != from && slices.Contains(gone, scope) {
				return fmt.Sprintf(" (%q moves to API %q in two steps: first take it from every client, then give it to the API and to the clients that are to have it there)", scope, a.ID)
			}
		}
	}
	return ""
}

// finishAPIs adds the scopes that others have given up, and resource servers.
func (r *records) finishAPIs(ctx context.Context, tx storage.Tx) error {
	return r.eachAPI(func(want storage.API) error {
		have, err := tx.API(ctx, want.ID)
		if err != nil {
			return err
		}
		return EnsureAPI(ctx, tx, have, want)
	})
}

// Without returns the elements of a that b does not have.
func Without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
