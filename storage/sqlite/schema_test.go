package sqlite_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/migrations"
	"github.com/certbound/certbound/storage/sqlite"
)

// TestReadSchema: looking makes no file and changes none, whatever it finds.
func TestReadSchema(t *testing.T) {
	latest, err := migrations.Latest(migrations.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(t.TempDir(), "x.db")
	if got, err := sqlite.ReadSchema(t.Context(), absent, sqlite.Options{}); !errors.Is(err, fs.ErrNotExist) || got != (sqlite.Schema{Latest: latest}) {
		t.Errorf("no file: %+v, %v", got, err)
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("the file was made")
	}
	void := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(void, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tableless := filepath.Join(t.TempDir(), "x.db")
	execRaw(t, tableless, "CREATE TABLE a (b); DROP TABLE a") // in another journal mode than ours
	for name, c := range map[string]struct {
		path string
		want sqlite.Schema
	}{
		"empty": {void, sqlite.Schema{Latest: latest}}, "without tables": {tableless, sqlite.Schema{Latest: latest}},
		"current": {fill(t), sqlite.Schema{Version: latest, Latest: latest}},
	} {
		before, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sqlite.ReadSchema(t.Context(), c.path, sqlite.Options{}); err != nil || got != c.want || got.Current() != (name == "current") {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
		if after, err := os.ReadFile(c.path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file has changed (%v)", name, err)
		}
	}
}

// TestMigrateFinds: it says where the schema stood, and leaves what Open opens.
func TestMigrateFinds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for _, wasCurrent := range []bool{false, true} {
		found, err := sqlite.Migrate(t.Context(), path, sqlite.Options{})
		if err != nil || found.Current() != wasCurrent || found.Latest < 1 {
			t.Errorf("%+v, %v", found, err)
		}
	}
	if s := openAt(t, path); s != nil {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	execRaw(t, path, "UPDATE schema_migrations SET version = 9999")
	if _, err := sqlite.Migrate(t.Context(), path, sqlite.Options{}); !errors.Is(err, migrations.ErrNewer) {
		t.Errorf("newer: %v", err)
	}
	if _, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{}); !errors.Is(err, migrations.ErrNewer) {
		t.Errorf("newer, read only: %v", err)
	}
}
