package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"github.com/certbound/certbound/migrations"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/internal/sqlstore"
)

// Options tune a database; the zero value is right for production.
type Options struct {
	// BusyTimeout is how long a write waits for another process that writes.
	// 0 means 5 s.
	BusyTimeout time.Duration
	// Readers is how many reads run at once. 0 means four a processor.
	Readers int
	// Logger is warned of a file that others may read. nil means slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Readers <= 0 {
		o.Readers = 4 * runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Open opens the database in the file path, creates it when there is none (mode
// 0600) and brings its schema up to date. It refuses a file that is no database
// of ours, is cut short, or was written by a newer program. Errors name the file.
func Open(ctx context.Context, path string, o Options) (storage.Store, error) {
	store, _, err := open(ctx, path, o.withDefaults())
	if err != nil { // and not a nil *sqlstore.Store that is no nil storage.Store
		return nil, err
	}
	return store, nil
}

// open also returns where the schema stood before.
func open(ctx context.Context, path string, o Options) (*sqlstore.Store, migrations.State, error) {
	path, err := prepareFile(ctx, path, o.Logger)
	if err != nil {
		return nil, migrations.State{}, err
	}
	found, err := migrate(ctx, path, o)
	if err != nil {
		return nil, found, fmt.Errorf("sqlite: open database %s: %w", path, err)
	}
	writes, err := openHandle(ctx, path, o, 1, "_txlock=immediate")
	if err != nil {
		return nil, found, fmt.Errorf("sqlite: open database %s: %w", path, err)
	}
	reads, err := openHandle(ctx, path, o, o.Readers, "_pragma=query_only(1)")
	if err != nil {
		return nil, found, fmt.Errorf("sqlite: open database %s: %w", path, errors.Join(err, writes.Close()))
	}
	return sqlstore.New(sqlstore.Config{Reads: reads, Writes: writes, Dialect: dialect()}), found, nil
}

// migrate uses a handle of its own, without the settings of the others: tables
// are rebuilt with foreign keys off.
func migrate(ctx context.Context, path string, o Options) (found migrations.State, err error) {
	// Before there is a table, or it cannot be chosen any more; see reclaim.
	db, err := sql.Open("sqlite", dsn(path, o)+"&_pragma=auto_vacuum(INCREMENTAL)")
	if err != nil {
		return found, err
	}
	found, err = migrations.Up(ctx, migrations.SQLite, db)
	return found, errors.Join(err, db.Close())
}

// openHandle opens a pool of connections that are all set up alike, and checks
// on the first that the settings took.
func openHandle(ctx context.Context, path string, o Options, connections int, extra string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, o)+
		// A commit is on disk when it returns. NORMAL would lose the last ones when
		// the power goes, and no kill -9 test would ever show it.
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&"+extra)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // a connection carries SQLite's page cache
	if err := patiently(ctx, o.BusyTimeout, func() error { return verifySettings(ctx, db) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// patiently repeats open until it succeeds, fails for good, or the busy timeout
// is over. SQLite does not wait when two connections switch a new file to WAL at
// once: one of them is told SQLITE_BUSY without delay.
func patiently(ctx context.Context, patience time.Duration, open func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := open()
		if err == nil || !busy(err) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return err
		}
	}
}

// dsn is a URI, so that no character of the path is taken for a parameter. The
// timeout comes first: the settings after it may have to wait already.
func dsn(path string, o Options) string {
	file := url.URL{Scheme: "file", Path: path}
	return file.String() + "?_pragma=busy_timeout(" + strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10) + ")"
}

// settings are the pragmas that durability and integrity rest on, with the
// value SQLite must report: it ignores what it does not understand, and some
// file systems cannot do WAL.
var settings = []struct{ pragma, want, why string }{
	{"journal_mode", "wal", "the file system must support shared memory; network file systems do not"},
	{"synchronous", "2", "a commit would not survive a loss of power"},
	{"foreign_keys", "1", "references would not be checked"},
}

func verifySettings(ctx context.Context, db *sql.DB) error {
	for _, s := range settings {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+s.pragma).Scan(&got); err != nil {
			return fmt.Errorf("read back %s: %w", s.pragma, err)
		}
		if got != s.want {
			return fmt.Errorf("%s is %q, not %q: %s", s.pragma, got, s.want, s.why)
		}
	}
	return nil
}
