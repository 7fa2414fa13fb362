package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/certbound/certbound/migrations"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/internal/sqlstore"
)

// ErrOutdated: the next start of the server will bring the schema up to date.
var ErrOutdated = errors.New("sqlite: the schema is not that of this program")

// OpenReadOnly opens an existing database to look at it: nothing is created,
// migrated or written but SQLite's own files beside it, and Update fails. A schema that is not up to date is
// ErrOutdated, wrapped; what Open refuses is refused.
func OpenReadOnly(ctx context.Context, path string, o Options) (storage.Store, error) {
	o = o.withDefaults()
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("sqlite: open database: %w", err)
	} else if info.Size() == 0 {
		return nil, fmt.Errorf("sqlite: open database %s: %w: it is empty", path, ErrOutdated)
	}
	path, err := prepareFile(ctx, path, o.Logger)
	if err != nil {
		return nil, err
	}
	db, err := openHandle(ctx, path, o, o.Readers, "_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("sqlite: open database %s: %w", path, err)
	}
	state, err := migrations.Check(ctx, migrations.SQLite, db)
	if err == nil && !state.Current() {
		err = fmt.Errorf("%w: it is at version %d, this program's is %d", ErrOutdated, state.Version, state.Latest)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open database %s: %w", path, err), db.Close())
	}
	return sqlstore.New(sqlstore.Config{Reads: db, Writes: db, Dialect: dialect()}), nil
}
