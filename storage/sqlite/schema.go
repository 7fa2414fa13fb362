package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/certbound/certbound/migrations"
)

// Schema is the version of a database's schema, 0 for an empty one, and the one that
// this program works with.
type Schema struct{ Version, Latest int }

// Current reports whether there is nothing to migrate.
func (s Schema) Current() bool { return s.Version == s.Latest }

// ReadSchema returns where the schema of a database stands, and refuses what [Open]
// refuses. Nothing is created or migrated. When there is no such file, the error is
// fs.ErrNotExist, wrapped, and the version 0.
func ReadSchema(ctx context.Context, path string, o Options) (Schema, error) {
	latest, err := migrations.Latest(migrations.SQLite)
	if err != nil {
		return Schema{}, err
	}
	none := Schema{Latest: latest}
	if info, err := os.Stat(path); err != nil {
		return none, fmt.Errorf("sqlite: open database: %w", err)
	} else if info.Size() == 0 && info.Mode().IsRegular() {
		return none, nil // SQLite would not write to it either, but need not be asked
	}
	o = o.withDefaults()
	if path, err = prepareFile(ctx, path, o.Logger); err != nil {
		return Schema{}, err
	}
	state, err := readState(ctx, path, o)
	if err != nil {
		return Schema{}, fmt.Errorf("sqlite: open database %s: %w", path, err)
	}
	return Schema(state), nil
}

// readState sets up as little as possible: the journal mode, which OpenReadOnly
// asks for, is written into the file.
func readState(ctx context.Context, path string, o Options) (migrations.State, error) {
	db, err := sql.Open("sqlite", dsn(path, o)+"&_pragma=query_only(1)")
	if err != nil {
		return migrations.State{}, err
	}
	state, err := migrations.Check(ctx, migrations.SQLite, db)
	return state, errors.Join(err, db.Close())
}

// Migrate does what Open does, and closes the database again: so whatever keeps Open
// from opening it shows here. It returns where the schema stood before; of several
// processes that migrate at once one finds the old version.
func Migrate(ctx context.Context, path string, o Options) (found Schema, err error) {
	store, state, err := open(ctx, path, o.withDefaults())
	if err != nil {
		return Schema{}, err
	}
	return Schema(state), store.Close()
}
