package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/golang-migrate/migrate/v4/database"
)

// session is golang-migrate's driver for SQLite on one connection. The driver
// that comes with golang-migrate locks within the process only and commits the
// version number apart from the migration; here the lock is the transaction, so
// two processes take turns and a crash leaves either the old schema or the new.
type session struct {
	ctx    context.Context // of Up; golang-migrate passes none
	conn   *sql.Conn
	failed bool // something in the transaction went wrong: roll back
	found  int  // the version before, as read under the lock once there is one
}

var _ database.Driver = (*session)(nil)

func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	s := &session{ctx: ctx, conn: conn}
	// Rebuilding a table drops it while others refer to it; what must hold in the
	// end is checked before the commit instead. Only outside a transaction does
	// this statement do anything.
	if err := s.exec("PRAGMA foreign_keys = OFF"); err != nil {
		return nil, errors.Join(fmt.Errorf("migrations: %w", err), conn.Close())
	}
	return s, nil
}

func (s *session) exec(query string, args ...any) error {
	_, err := s.conn.ExecContext(s.ctx, query, args...)
	if err != nil {
		s.failed = true
	}
	return err
}

// current returns the version recorded in the database, 0 for none.
func (s *session) current() (int, error) {
	version, dirty, err := s.Version()
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	if dirty {
		return 0, fmt.Errorf("%w: version %d is marked dirty in schema_migrations: restore the backup made before it", ErrDirty, version)
	}
	return max(version, 0), nil
}

// check refuses a database that is not ours to change. It writes nothing.
func (s *session) check(latest int) (int, error) {
	version, err := s.current()
	if err != nil {
		return 0, err
	}
	if version > latest {
		return 0, fmt.Errorf("%w: it is at version %d, this program knows versions up to %d", ErrNewer, version, latest)
	}
	if version > 0 {
		return version, nil
	}
	var foreign string
	err = s.conn.QueryRowContext(s.ctx, "SELECT coalesce(min(name), '') FROM sqlite_schema WHERE name <> 'schema_migrations' AND name NOT LIKE 'sqlite_%'").Scan(&foreign)
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	if foreign != "" {
		return 0, fmt.Errorf("%w: it has a table %q and no schema version of ours", ErrForeign, foreign)
	}
	return 0, nil
}

// Lock starts the transaction that everything up to Unlock happens in.
func (s *session) Lock() error {
	if err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	err := s.exec("CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, dirty INTEGER NOT NULL CHECK (dirty IN (0, 1))) STRICT")
	if err != nil { // there will be no Unlock
		return errors.Join(err, s.Unlock())
	}
	version, _, err := s.Version() // another process may have been first
	if err != nil {
		return errors.Join(err, s.Unlock())
	}
	s.found = max(version, 0)
	return nil
}

// Unlock commits, or rolls back when anything failed. It works on after the
// caller's context has ended, because the connection must not stay locked.
func (s *session) Unlock() error {
	s.ctx = context.WithoutCancel(s.ctx)
	if !s.failed {
		if err := s.checkReferences(); err != nil {
			return errors.Join(err, s.exec("ROLLBACK"))
		}
		return s.exec("COMMIT")
	}
	return s.exec("ROLLBACK")
}

// checkReferences does at once what foreign_keys = ON does row by row.
func (s *session) checkReferences() error {
	var table sql.NullString
	err := s.conn.QueryRowContext(s.ctx, "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1").Scan(&table)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("rows of table %s refer to rows that do not exist", table.String)
	}
	return err
}

// Run executes one migration file.
func (s *session) Run(migration io.Reader) error {
	text, err := io.ReadAll(migration)
	if err != nil {
		s.failed = true
		return err
	}
	return s.exec(string(text))
}

// SetVersion records where the database stands. A dirty mark is written and
// taken back within the transaction, so no other connection ever sees it.
func (s *session) SetVersion(version int, dirty bool) error {
	if err := s.exec("DELETE FROM schema_migrations"); err != nil || version < 0 {
		return err
	}
	return s.exec("INSERT INTO schema_migrations (version, dirty) VALUES ($1, $2)", version, dirty)
}

// Version reads what SetVersion wrote; database.NilVersion when nothing did.
func (s *session) Version() (version int, dirty bool, err error) {
	var tables int
	err = s.conn.QueryRowContext(s.ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'").Scan(&tables)
	if err != nil || tables == 0 {
		return database.NilVersion, false, err
	}
	err = s.conn.QueryRowContext(s.ctx, "SELECT version, dirty FROM schema_migrations").Scan(&version, &dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return database.NilVersion, false, nil
	}
	return version, dirty, err
}

// Close gives the connection back.
func (s *session) Close() error { return s.conn.Close() }

// Open is golang-migrate's way to make a driver from a URL; sessions are made by
// newSession only.
func (s *session) Open(string) (database.Driver, error) {
	return nil, errors.New("migrations: a session is not opened by URL")
}

// Drop would delete everything; nothing of ours asks for it.
func (s *session) Drop() error {
	return errors.New("migrations: dropping a database is not supported")
}
