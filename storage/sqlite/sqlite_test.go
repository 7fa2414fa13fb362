package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/migrations"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
	"github.com/certbound/certbound/storage/storagetest"
)

// openAt opens the database in path; an error fails the test and returns nil.
func openAt(t testing.TB, path string) storage.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: time.Minute})
	if err != nil {
		t.Error(err)
		return nil
	}
	return s
}

func newStore(t testing.TB) storage.Store {
	t.Helper()
	s := openAt(t, filepath.Join(t.TempDir(), "certbound.db"))
	if s == nil {
		t.FailNow()
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T)    { storagetest.Run(t, newStore) }
func TestConcurrency(t *testing.T) { storagetest.RunConcurrency(t, newStore) }

func TestReopen(t *testing.T) {
	storagetest.RunReopen(t, func(t testing.TB) storagetest.NewStore {
		path := filepath.Join(t.TempDir(), "certbound.db")
		return func(t testing.TB) storage.Store { return openAt(t, path) }
	})
}

// A path may hold what means something in a URI or in a list of pragmas.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "what?mode=memory.db", "50%.db", "a&_pragma=synchronous(0).db", "#1.db", "ü.db"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s := openAt(t, path)
			if s == nil {
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() == 0 || info.Mode().Perm() != 0o600 {
				t.Errorf("the file has %d bytes and mode %v, want a database of mode 0600", info.Size(), info.Mode())
			}
		})
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s := openAt(t, "certbound.db")
	if s == nil {
		return
	}
	defer s.Close()
	if _, err := os.Stat("certbound.db"); err != nil {
		t.Error(err)
	}
}

// TestJournalModes: what SQLite puts beside the file is as private as the file.
func TestJournalModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certbound.db")
	s := openAt(t, path)
	if s == nil {
		return
	}
	defer s.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", suffix, info.Mode())
		}
	}
}

// raw opens the file as any program would.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execRaw(t testing.TB, path, query string) {
	t.Helper()
	if _, err := raw(t, path).Exec(query); err != nil {
		t.Fatal(err)
	}
}

// fill makes a database of some pages and returns its path.
func fill(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "certbound.db")
	s := openAt(t, path)
	if s == nil {
		t.FailNow()
	}
	ctx := t.Context()
	err := s.Update(ctx, func(tx storage.Tx) error {
		return tx.CreatePartner(ctx, storage.Partner{ID: "acme", Name: strings.Repeat("n", 1<<16), CreatedAt: time.Unix(1, 0)})
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRefuses(t *testing.T) {
	latest, err := migrations.Latest(migrations.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string) func(testing.TB) string {
		return func(t testing.TB) string {
			path := filepath.Join(t.TempDir(), "certbound.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	for _, c := range []struct {
		name string
		path func(testing.TB) string
		want string // after "sqlite: open database ", with PATH for the path
	}{
		{"directory", func(t testing.TB) string { return t.TempDir() }, "open PATH: is a directory"},
		{"no such directory", func(t testing.TB) string { return filepath.Join(t.TempDir(), "no", "certbound.db") }, "open PATH: no such file or directory"},
		{"text file", write("partners: []\n# not a database, and longer than the header of one"), "PATH: it is not a SQLite database"},
		{"one byte", write("S"), "PATH: it is not a SQLite database"},
		{"half a header", write("SQLite format 3\x00\x10\x00"), "PATH: it is truncated: restore it from a backup"},
		{"header only", func(t testing.TB) string { return truncated(t, 100) }, "PATH: it is truncated: restore it from a backup"},
		{"some pages missing", func(t testing.TB) string { return truncated(t, 3*4096) }, "PATH: it is truncated: restore it from a backup"},
		{"last byte missing", func(t testing.TB) string { return truncated(t, -1) }, "PATH: it is truncated: restore it from a backup"},
		{"newer schema", func(t testing.TB) string {
			path := fill(t)
			execRaw(t, path, "UPDATE schema_migrations SET version = 9999")
			return path
		}, "PATH: migrations: the database schema is newer than this program: it is at version 9999, this program knows versions up to " + strconv.Itoa(latest)},
		{"dirty", func(t testing.TB) string {
			path := fill(t)
			execRaw(t, path, "UPDATE schema_migrations SET dirty = 1")
			return path
		}, "PATH: migrations: a migration was left half done: version " + strconv.Itoa(latest) + " is marked dirty in schema_migrations: restore the backup made before it"},
		{"another program's database", func(t testing.TB) string {
			path := filepath.Join(t.TempDir(), "cookies.db")
			execRaw(t, path, "CREATE TABLE cookies (name TEXT)")
			return path
		}, `PATH: migrations: the database belongs to another program: it has a table "cookies" and no schema version of ours`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.path(t)
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err == nil {
				t.Fatalf("opened; close: %v", s.Close())
			}
			want := "sqlite: open database " + strings.ReplaceAll(c.want, "PATH", path)
			if got := strings.TrimPrefix(err.Error(), "sqlite: open database: "); err.Error() != want && "sqlite: open database "+got != want {
				t.Errorf("got error\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// truncated cuts a database to size bytes, or by -size bytes.
func truncated(t testing.TB, size int64) string {
	t.Helper()
	path := fill(t)
	if size < 0 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenGarbledPage(t *testing.T) {
	path := fill(t)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(strings.Repeat("garbage ", 400)), 100)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		t.Fatalf("opened; close: %v", s.Close())
	}
	if !strings.HasPrefix(err.Error(), "sqlite: open database "+path+": ") {
		t.Errorf("the error does not name the file: %v", err)
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

// TestBusy: a writer that never finishes makes the others fail after their
// patience, not hang, and nothing is left behind when it goes.
func TestBusy(t *testing.T) {
	path := fill(t)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	create := func(tx storage.Tx) error {
		return tx.CreatePartner(t.Context(), storage.Partner{ID: "globex", CreatedAt: time.Unix(1, 0)})
	}
	err = s.Update(t.Context(), create)
	if err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY") || errors.Is(err, storage.ErrConflict) {
		t.Errorf("Update against a lock: got error %v, want SQLITE_BUSY", err)
	}
	if _, err := s.Partner(t.Context(), "acme"); err != nil {
		t.Errorf("a read waits for a writer: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), create); err != nil {
		t.Errorf("Update after the lock has gone: %v", err)
	}
}

const helperPath = "CERTBOUND_TEST_DATABASE"

// TestTwoProcesses: real processes raise one counter, none loses a step.
func TestTwoProcesses(t *testing.T) {
	const steps = 25
	if path := os.Getenv(helperPath); path != "" {
		raiseVersions(t, path, steps)
		return
	}
	path := fill(t)
	helper := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTwoProcesses$", "-test.count=1")
	helper.Env = append(os.Environ(), helperPath+"="+path)
	var output strings.Builder
	helper.Stdout, helper.Stderr = &output, &output
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	raiseVersions(t, path, steps)
	if err := helper.Wait(); err != nil {
		t.Fatalf("the other process: %v\n%s", err, &output)
	}
	s := openAt(t, path)
	defer s.Close()
	p, err := s.Partner(t.Context(), "acme")
	if err != nil || p.Version != 1+2*steps {
		t.Errorf("version %d, error %v after %d writes in each of two processes", p.Version, err, steps)
	}
}

func raiseVersions(t *testing.T, path string, steps int) {
	s := openAt(t, path)
	defer s.Close()
	ctx := t.Context()
	for range steps {
		err := s.Update(ctx, func(tx storage.Tx) error {
			p, err := tx.Partner(ctx, "acme")
			if err != nil {
				return err
			}
			return tx.UpdatePartner(ctx, p)
		})
		if err != nil {
			t.Error(err)
		}
	}
}
