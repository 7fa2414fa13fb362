package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"github.com/certbound/certbound/storage"
)

// querier runs a query, inside a transaction or outside.
type querier interface {
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// reader holds the read methods; Store and tx share them.
type reader struct{ querier }

// one reads exactly one row, or returns storage.ErrNotFound.
func (r reader) one(ctx context.Context, text string, args []any, into ...any) error {
	found := false
	err := r.each(ctx, text, args, func(scan func(...any) error) error {
		found = true
		return scan(into...)
	})
	if err == nil && !found {
		return storage.ErrNotFound
	}
	return err
}

// each calls row for every row of the answer.
func (r reader) each(ctx context.Context, text string, args []any, row func(scan func(...any) error) error) (err error) {
	rows, err := r.query(ctx, text, args...)
	if err != nil {
		return failure(ctx, err)
	}
	defer func() {
		if err = errors.Join(err, rows.Close()); err != nil {
			err = failure(ctx, err)
		}
	}()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// list reads rows into a slice, which is empty and not nil when there are none.
func list[T any](ctx context.Context, r reader, text string, args []any, scanOne func(func(...any) error) (T, error)) ([]T, error) {
	all := []T{}
	err := r.each(ctx, text, args, func(scan func(...any) error) error {
		v, err := scanOne(scan)
		all = append(all, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// placeholders returns "$1, $2, …" for at least n values and the values to go
// with it: the last is repeated up to a power of two, so that lists of any
// length make only a few different statements to keep prepared.
func placeholders(values []string) (string, []any) {
	size := 1
	for size < len(values) {
		size *= 2
	}
	var text strings.Builder
	args := make([]any, size)
	for i := range args {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString("$" + strconv.Itoa(i+1))
		args[i] = values[min(i, len(values)-1)]
	}
	return text.String(), args
}
