package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// What is given back, in pages of 4 KiB. Free pages are the first to be used again,
// so a trail that is pruned as fast as it grows needs the same file for ever: only
// what is free beyond a quarter of it, and beyond a megabyte, is worth the moving.
const (
	reclaimAtOnce = 64
	sparePages    = 256
	spareShare    = 4
)

// reclaim is sqlstore.Dialect.Reclaim. A database that was made without
// auto_vacuum keeps its size and uses the space again.
func reclaim(ctx context.Context, writes *sql.DB) (more bool, err error) {
	wanted, err := reclaimable(ctx, writes)
	if err != nil || wanted <= 0 {
		return false, err
	}
	// The pragma moves one page each time it is asked for its next row. The number
	// cannot be a parameter.
	rows, err := writes.QueryContext(ctx, "PRAGMA incremental_vacuum(64)")
	if err != nil {
		return false, err
	}
	for rows.Next() { //nolint:revive // the rows are empty
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, err
	}
	return wanted > reclaimAtOnce, nil
}

// reclaimable is how many pages too many are free.
func reclaimable(ctx context.Context, db *sql.DB) (pages int64, err error) {
	var free, all, mode int64
	for pragma, into := range map[string]*int64{"freelist_count": &free, "page_count": &all, "auto_vacuum": &mode} {
		if err := db.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(into); err != nil {
			return 0, err
		}
	}
	const incremental = 2
	if mode != incremental {
		return 0, nil
	}
	return free - max(sparePages, all/spareShare), nil
}
