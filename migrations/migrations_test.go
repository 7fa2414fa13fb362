package migrations

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"
)

func newFile(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "certbound.db")
}

func handle(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func up(t testing.TB, db *sql.DB) {
	t.Helper()
	if _, err := Up(t.Context(), SQLite, db); err != nil {
		t.Fatal(err)
	}
}

func exec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

// schema returns the statements that made the database, by name.
func schema(t testing.TB, db *sql.DB) map[string]string {
	t.Helper()
	rows, err := db.Query("SELECT name, coalesce(sql, '') FROM sqlite_schema")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		all[name] = text
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func wantVersion(t testing.TB, db *sql.DB, want int) {
	t.Helper()
	if got, err := Version(t.Context(), db); err != nil || got != want {
		t.Errorf("version %d, error %v, want %d", got, err, want)
	}
}

func TestUpDownUp(t *testing.T) {
	path := newFile(t)
	latest, err := Latest(SQLite)
	if err != nil || latest < 1 {
		t.Fatalf("latest %d, error %v", latest, err)
	}
	db := handle(t, path)
	wantVersion(t, db, 0)
	if tables := schema(t, db); len(tables) != 0 {
		t.Errorf("asking for the version made %v", tables)
	}
	up(t, db)
	wantVersion(t, db, latest)
	first := schema(t, db)
	up(t, db)
	if diff := cmp.Diff(first, schema(t, db)); diff != "" {
		t.Errorf("a second Up changed the schema (-first +second):\n%s", diff)
	}
	exec(t, db, "INSERT INTO meta (name, value, created_at) VALUES ('a', 'b', 1)")
	if err := To(t.Context(), SQLite, db, 0); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, db, 0)
	for name := range schema(t, db) {
		if !strings.Contains(name, "schema_migrations") {
			t.Errorf("Down left %s", name)
		}
	}
	up(t, handle(t, path))
	wantVersion(t, db, latest)
	if diff := cmp.Diff(first, schema(t, db)); diff != "" {
		t.Errorf("schema after up, down, up (-first +now):\n%s", diff)
	}
}

// TestPairs: every version has both directions, and the numbers have no gap.
func TestPairs(t *testing.T) {
	latest, err := Latest(SQLite)
	if err != nil {
		t.Fatal(err)
	}
	for _, direction := range []string{"up", "down"} {
		names, err := fs.Glob(files, "sqlite/*."+direction+".sql")
		if err != nil || len(names) != latest {
			t.Errorf("%d %s files for %d versions, error %v", len(names), direction, latest, err)
		}
	}
}

// TestStrict: no table takes a value of another type, or it would come back as
// one that PostgreSQL never gives.
func TestStrict(t *testing.T) {
	db := handle(t, newFile(t))
	up(t, db)
	for name, text := range schema(t, db) {
		if strings.HasPrefix(text, "CREATE TABLE") && !strings.Contains(text[strings.LastIndex(text, ")"):], "STRICT") {
			t.Errorf("table %s is not STRICT", name)
		}
	}
}

func TestRefused(t *testing.T) {
	latest, err := Latest(SQLite)
	if err != nil {
		t.Fatal(err)
	}
	knows := strconv.Itoa(latest)
	for _, c := range []struct {
		name, statement string
		is              error
		want            string
	}{
		{"newer", "UPDATE schema_migrations SET version = 9999", ErrNewer,
			"migrations: the database schema is newer than this program: it is at version 9999, this program knows versions up to " + knows},
		{"dirty", "UPDATE schema_migrations SET dirty = 1", ErrDirty,
			"migrations: a migration was left half done: version " + knows + " is marked dirty in schema_migrations: restore the backup made before it"},
		{"version lost", "DELETE FROM schema_migrations", ErrForeign,
			`migrations: the database belongs to another program: it has a table "api_resource_servers" and no schema version of ours`},
		{"version table lost", "DROP TABLE schema_migrations", ErrForeign,
			`migrations: the database belongs to another program: it has a table "api_resource_servers" and no schema version of ours`},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := handle(t, newFile(t))
			up(t, db)
			exec(t, db, c.statement)
			before := schema(t, db)
			_, upErr := Up(t.Context(), SQLite, db)
			_, checkErr := Check(t.Context(), SQLite, db)
			for name, err := range map[string]error{
				"Up": upErr, "Check": checkErr, "Down": To(t.Context(), SQLite, db, 0),
			} {
				if !errors.Is(err, c.is) || err.Error() != c.want {
					t.Errorf("%s: got error\n%v\nwant\n%s", name, err, c.want)
				}
			}
			if diff := cmp.Diff(before, schema(t, db)); diff != "" {
				t.Errorf("a refused migration changed the schema (-before +after):\n%s", diff)
			}
		})
	}
}

func TestUnknownVersionsAndDialects(t *testing.T) {
	db := handle(t, newFile(t))
	for _, version := range []int{-1, 9999} {
		if err := To(t.Context(), SQLite, db, version); err == nil {
			t.Errorf("version %d was accepted", version)
		}
	}
	for _, call := range []func() error{
		func() error { _, err := Latest("oracle"); return err },
		func() error { _, err := Up(t.Context(), "oracle", db); return err },
		func() error { _, err := Check(t.Context(), "oracle", db); return err },
		func() error { return To(t.Context(), "oracle", db, 0) },
	} {
		if err := call(); err == nil || err.Error() != `migrations: no migrations for dialect "oracle"` {
			t.Errorf("got error %v", err)
		}
	}
}

// TestTogether: processes that start at once on one new file take turns, and one of
// them says that it was the one that migrated.
func TestTogether(t *testing.T) {
	path := newFile(t)
	var wg sync.WaitGroup
	var migrated atomic.Int32
	for range 8 {
		db := handle(t, path)
		wg.Go(func() {
			found, err := Up(t.Context(), SQLite, db)
			if err != nil {
				t.Error(err)
			}
			if !found.Current() {
				migrated.Add(1)
			}
		})
	}
	wg.Wait()
	if n := migrated.Load(); n != 1 {
		t.Errorf("%d say that they migrated, want 1", n)
	}
	latest, err := Latest(SQLite)
	if err != nil {
		t.Fatal(err)
	}
	wantVersion(t, handle(t, path), latest)
}

// TestAtomic: what fails in the middle leaves nothing, not even a dirty mark.
func TestAtomic(t *testing.T) {
	for name, c := range map[string]struct{ migration, want string }{
		"bad statement":     {"CREATE TABLE half (a INTEGER) STRICT; CREATE TABLE (;", "syntax error"},
		"dangling referrer": {"PRAGMA defer_foreign_keys = ON; CREATE TABLE p (id INTEGER PRIMARY KEY) STRICT; CREATE TABLE c (id INTEGER REFERENCES p (id)) STRICT; INSERT INTO c VALUES (7);", "rows of table c refer to rows that do not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			db := handle(t, newFile(t))
			s, err := newSession(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(s.Lock(), s.SetVersion(1, true), s.Run(strings.NewReader(c.migration)))
			if err == nil {
				err = s.SetVersion(1, false)
			}
			err = errors.Join(err, s.Unlock(), s.Close())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if tables := schema(t, db); len(tables) != 0 {
				t.Errorf("left behind: %v", tables)
			}
			up(t, db) // the connection is free again, and so is the file
		})
	}
}

func TestCancelled(t *testing.T) {
	db := handle(t, newFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Up(ctx, SQLite, db); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if _, err := Version(ctx, db); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	up(t, db)
}

// TestLocked: while another program holds the file, Up fails and changes nothing.
func TestLocked(t *testing.T) {
	path := newFile(t)
	other, err := handle(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = Up(t.Context(), SQLite, db)
	if err == nil || !strings.HasPrefix(err.Error(), "migrations: lock: ") || !strings.Contains(err.Error(), "SQLITE_BUSY") {
		t.Errorf("got error %v, want SQLITE_BUSY", err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	up(t, db)
}
