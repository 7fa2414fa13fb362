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

// prepareAll makes sure that the texts are prepared.
func (s *statements) prepareAll(ctx context.Context, texts []string) error {
	for _, text := range texts {
		if _, err := s.prepare(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// known returns the statement of a text if it is prepared.
func (s *statements) known(text string) *sql.Stmt {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byText[text]
}

// direct runs statements in a transaction. Most are not prepared: writes are rare
// and each transaction would have to prepare anew. Those of the group commit are
// prepared on the handle, before the transaction takes the one connection.
type direct struct {
	tx       *sql.Tx
	prepared *statements // nil: none
}

func (d direct) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if stmt := d.prepared.known(text); stmt != nil {
		return d.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return d.tx.QueryContext(ctx, text, args...)
}

// statement returns text prepared, until the transaction ends.
func (d direct) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt := d.prepared.known(text); stmt != nil {
		return d.tx.StmtContext(ctx, stmt), nil
	}
	return d.tx.PrepareContext(ctx, text)
}
