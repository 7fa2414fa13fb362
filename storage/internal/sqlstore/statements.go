package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements runs queries outside of transactions and keeps each text prepared:
// for the short reads of a token request, planning costs more than running. The
// texts are constants of this package, so there are only so many.
type statements struct {
	db     *sql.DB
	mu     sync.RWMutex
	byText map[string]*sql.Stmt
}

func (s *statements) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt, err := s.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.byText[text]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	// Not under the lock: this waits for a free connection, which others hold who
	// may be waiting for the lock. Two at once prepare twice; one is thrown away.
	fresh, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.byText[text]; stmt != nil {
		return stmt, fresh.Close()
	}
	s.byText[text] = fresh
	return fresh, nil
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []error
	for _, stmt := range s.byText {
		all = append(all, stmt.Close())
	}
	clear(s.byText)
	return errors.Join(all...)
}

// direct runs queries in a transaction, unprepared: writes are rare and each
// transaction would have to prepare anew.
type direct struct{ tx *sql.Tx }

func (d direct) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return d.tx.QueryContext(ctx, text, args...)
}
