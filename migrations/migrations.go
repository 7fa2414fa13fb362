package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

//go:embed sqlite/*.sql
var files embed.FS

// Dialect names a folder of migrations.
type Dialect string

// SQLite is the dialect of modernc.org/sqlite handles.
const SQLite Dialect = "sqlite"

var (
	// ErrNewer: the database was written by a newer program. Running an older one
	// on it could break rules it does not know of.
	ErrNewer = errors.New("migrations: the database schema is newer than this program")
	// ErrDirty: another tool left a migration half done.
	ErrDirty = errors.New("migrations: a migration was left half done")
	// ErrForeign: the database holds tables, and they are not ours.
	ErrForeign = errors.New("migrations: the database belongs to another program")
)

// lockPatience is how long golang-migrate waits for the lock; the handle's own
// busy timeout is shorter and gives the better error.
const lockPatience = time.Minute

// Latest returns the version the embedded migrations of d lead to.
func Latest(d Dialect) (int, error) {
	names, err := fs.Glob(files, string(d)+"/*.up.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("migrations: no migrations for dialect %q", d)
	}
	latest := 0
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, string(d)+"/"), "_")
		n, err := strconv.Atoi(number)
		if err != nil {
			return 0, fmt.Errorf("migrations: file %s has no version number: %w", name, err)
		}
		latest = max(latest, n)
	}
	return latest, nil
}

// State is where a database stands.
type State struct {
	Version int // of its schema; 0 for an empty one
	Latest  int // the one this program works with
}

// Current reports whether there is nothing to migrate.
func (s State) Current() bool { return s.Version == s.Latest }

// Check returns where the database stands, and refuses what [Up] refuses. It writes
// nothing. db must be a handle of its own, as for Up.
func Check(ctx context.Context, d Dialect, db *sql.DB) (State, error) {
	latest, err := Latest(d)
	if err != nil {
		return State{}, err
	}
	s, err := newSession(ctx, db)
	if err != nil {
		return State{}, err
	}
	version, err := s.check(latest)
	return State{version, latest}, errors.Join(err, s.Close())
}

// Up brings the database to the latest version. It changes nothing when it is
// there already, and refuses a database that is newer, dirty or foreign. db must
// be a handle of its own that the caller closes afterwards: foreign keys are
// switched off on the connection used.
//
// It returns where the database stood. Of several that migrate at once, one finds
// the old version and the others find that there is nothing to do.
func Up(ctx context.Context, d Dialect, db *sql.DB) (found State, err error) {
	latest, err := Latest(d)
	if err != nil {
		return State{}, err
	}
	version, err := to(ctx, d, db, latest, latest)
	return State{version, latest}, err
}

// To brings the database to the given version, up or down; 0 removes all of our
// tables and what is in them.
func To(ctx context.Context, d Dialect, db *sql.DB, version int) error {
	latest, err := Latest(d)
	if err != nil {
		return err
	}
	if version < 0 || version > latest {
		return fmt.Errorf("migrations: there is no version %d: this program knows 0 to %d", version, latest)
	}
	_, err = to(ctx, d, db, version, latest)
	return err
}

// to returns the version it found.
func to(ctx context.Context, d Dialect, db *sql.DB, version, latest int) (found int, err error) {
	s, err := newSession(ctx, db)
	if err != nil {
		return 0, err
	}
	s.found, err = s.check(latest)
	if err != nil || s.found == version {
		return s.found, errors.Join(err, s.Close())
	}
	err = s.run(d, func(m *migrate.Migrate) error {
		if version == 0 {
			return m.Down()
		}
		return m.Migrate(uint(version))
	})
	return s.found, err
}

// Version returns the version the database is at, 0 for an empty one. The error
// is ErrDirty when another tool left a migration half done.
func Version(ctx context.Context, db *sql.DB) (int, error) {
	s, err := newSession(ctx, db)
	if err != nil {
		return 0, err
	}
	version, err := s.current()
	return version, errors.Join(err, s.Close())
}

// run hands the session to golang-migrate, which closes it.
func (s *session) run(d Dialect, step func(*migrate.Migrate) error) error {
	source, err := iofs.New(files, string(d))
	if err != nil {
		return errors.Join(fmt.Errorf("migrations: %w", err), s.Close())
	}
	m, err := migrate.NewWithInstance("embedded", source, string(d), s)
	if err != nil {
		return errors.Join(fmt.Errorf("migrations: %w", err), s.Close())
	}
	m.LockTimeout = lockPatience
	err = step(m)
	// Another process may have done the work between our look and our lock.
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	sourceErr, sessionErr := m.Close()
	if err = errors.Join(err, sourceErr, sessionErr); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}
