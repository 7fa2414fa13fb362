package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/certbound/certbound/storage"
)

// Config is what a driver package hands over.
type Config struct {
	Reads   *sql.DB // for everything outside of Update
	Writes  *sql.DB // for Update; may be the same handle
	Dialect Dialect
}

// Store implements storage.Store.
type Store struct {
	reader
	config     Config
	statements *statements // of Reads
	writing    *statements // of Writes, used in transactions only
}

var _ storage.Store = (*Store)(nil)

// New returns a Store that owns both handles and closes them.
func New(c Config) *Store {
	s := &statements{db: c.Reads, byText: map[string]*sql.Stmt{}}
	w := &statements{db: c.Writes, byText: map[string]*sql.Stmt{}}
	return &Store{reader: reader{s}, config: c, statements: s, writing: w}
}

const (
	maxAttempts = 8
	firstPause  = 2 * time.Millisecond
)

// Update implements storage.Store.
func (s *Store) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return s.patiently(ctx, func() error { return s.attempt(ctx, fn) })
}

// patiently runs a transaction again for as long as concurrent ones are why it
// failed, within reason.
func (s *Store) patiently(ctx context.Context, transaction func() error) error {
	for attempt := 1; ; attempt++ {
		err := transaction()
		if err == nil || attempt == maxAttempts || !s.config.Dialect.Retry(err) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// pause waits a random while that doubles with each attempt, so that
// transactions which collided do not collide again.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(rand.N(firstPause << attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return failure(ctx, ctx.Err())
	}
}

func (s *Store) attempt(ctx context.Context, fn func(storage.Tx) error) error {
	// Before the transaction: inside, there is no connection left to prepare on.
	if err := s.writing.prepareAll(ctx, groupCommit); err != nil {
		return failure(ctx, err)
	}
	sqlTx, err := s.config.Writes.BeginTx(ctx, nil)
	if err != nil {
		return failure(ctx, err)
	}
	// After Commit this does nothing; after an error or a panic of fn it undoes all.
	// Should the rollback itself fail, the connection is discarded, and so is what
	// was written: there is nothing to add to the error of fn.
	defer func() { _ = sqlTx.Rollback() }()
	d := direct{sqlTx, s.writing}
	t := &tx{reader: reader{d}, direct: d, dialect: s.config.Dialect}
	if err := fn(t); err != nil {
		return err
	}
	if t.failed != nil { // fn went on as if nothing had happened
		return t.failed
	}
	if err := t.raiseRegistration(ctx); err != nil {
		return failure(ctx, err)
	}
	if err := sqlTx.Commit(); err != nil {
		return failure(ctx, err)
	}
	return nil
}

// Reclaim implements storage.Store.
func (s *Store) Reclaim(ctx context.Context) (more bool, err error) {
	if s.config.Dialect.Reclaim == nil {
		return false, nil
	}
	if more, err = s.config.Dialect.Reclaim(ctx, s.config.Writes); err != nil {
		return false, failure(ctx, err)
	}
	return more, nil
}

// Ping implements storage.Store. It reads a row, because opening a connection
// alone does not touch the file.
func (s *Store) Ping(ctx context.Context) error {
	var version int64
	return s.one(ctx, "SELECT version FROM schema_migrations", nil, &version)
}

// Close implements storage.Store.
func (s *Store) Close() error {
	err := errors.Join(s.statements.close(), s.writing.close(), s.config.Reads.Close())
	if s.config.Writes != s.config.Reads {
		// Last, so that SQLite can fold its journal back into the file.
		err = errors.Join(err, s.config.Writes.Close())
	}
	return err
}

// failure is an error that is not the caller's to act on. A driver reports an
// interrupted statement in its own words; callers want to see their context.
func failure(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		return fmt.Errorf("storage: %w (%w)", ctxErr, err)
	}
	return fmt.Errorf("storage: %w", err)
}
