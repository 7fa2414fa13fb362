package sqlstore

import (
	"context"

	"github.com/certbound/certbound/storage"
)

// tx implements storage.Tx.
type tx struct {
	reader
	direct  direct
	dialect Dialect
	failed  error // the first error of a write method

	registration bool // whether the registration has changed
}

var _ storage.Tx = (*tx)(nil)

// write runs one statement that ends with a RETURNING clause, and scans what it
// returns. No row means the condition of the statement did not hold: changed is
// false. refers names the references a conflict may be about, for databases
// that do not tell. The version of the registration goes up with the commit.
func (t *tx) write(ctx context.Context, refers, text string, args []any, into ...any) (changed bool, err error) {
	t.registration = true
	return t.writeBeside(ctx, refers, text, args, into...)
}

// writeBeside is write for what is no part of the registration: audit and feed.
func (t *tx) writeBeside(ctx context.Context, refers, text string, args []any, into ...any) (changed bool, err error) {
	if t.failed != nil {
		return false, t.failed
	}
	err = t.each(ctx, text, args, func(scan func(...any) error) error {
		changed = true
		return scan(into...)
	})
	if err != nil {
		return false, t.fail(t.classify(err, refers))
	}
	return changed, nil
}

// exec runs a write whose answer nobody needs.
func (t *tx) exec(ctx context.Context, refers, text string, args ...any) error {
	var one int
	_, err := t.write(ctx, refers, text+" RETURNING 1", args, &one)
	return err
}

// execBeside is exec for what is no part of the registration.
func (t *tx) execBeside(ctx context.Context, refers, text string, args ...any) error {
	var one int
	_, err := t.writeBeside(ctx, refers, text+" RETURNING 1", args, &one)
	return err
}

// execEach runs one write for each of count rows beside the registration.
func (t *tx) execEach(ctx context.Context, refers, text string, count int, row func(i int) ([]any, error)) error {
	if t.failed != nil {
		return t.failed
	}
	stmt, err := t.direct.statement(ctx, text)
	if err != nil {
		return t.fail(failure(ctx, err))
	}
	for i := range count {
		args, err := row(i)
		if err != nil {
			return t.fail(err)
		}
		// A context that can end costs the driver a goroutine for each row. None of
		// them waits: the transaction has its lock.
		err = ctx.Err()
		if err == nil {
			_, err = stmt.ExecContext(context.WithoutCancel(ctx), args...)
		}
		if err != nil {
			return t.fail(t.classify(failure(ctx, err), refers))
		}
	}
	return nil
}

// execCount runs one write beside the registration that may find nothing to do,
// and returns how many rows it wrote.
func (t *tx) execCount(ctx context.Context, refers, text string, args ...any) (int64, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	stmt, err := t.direct.statement(ctx, text)
	if err != nil {
		return 0, t.fail(failure(ctx, err))
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, t.fail(t.classify(failure(ctx, err), refers))
	}
	return result.RowsAffected()
}

func (t *tx) classify(err error, refers string) error {
	rule, ok := t.dialect.Conflict(err)
	if !ok {
		return err
	}
	if rule == "" {
		rule = refers
	}
	return &storage.ConflictError{Rule: rule}
}

// fail remembers that this transaction can only be rolled back. A method may
// have written half of a record before it failed, and PostgreSQL accepts no
// further statement after an error: both databases shall behave alike.
func (t *tx) fail(err error) error {
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// unchanged says why an update of the row with this id and version found
// nothing to do; current reads the version of the row. When the row is there
// with that version, the reason is otherwise.
func (t *tx) unchanged(ctx context.Context, current, id string, version int64, otherwise error) error {
	var stored int64
	err := t.one(ctx, current, []any{id}, &stored)
	if err == nil && stored != version {
		err = storage.ErrStale
	}
	if err == nil {
		err = otherwise
	}
	return t.fail(err)
}
