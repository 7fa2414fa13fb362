package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
)

// TestReclaim: a file shrinks when most of it is free, a little at a time, and
// keeps a reserve.
func TestReclaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certbound.db")
	store, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db, err := sql.Open("sqlite", dsn(path, Options{}.withDefaults()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if more, err := store.Reclaim(t.Context()); more || err != nil {
		t.Errorf("an empty database: %t %v", more, err)
	}
	for _, change := range []string{
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
			INSERT INTO audit_checkpoints (kid, jws, created_at) SELECT 'k', hex(zeroblob(3000)), 1 FROM n`,
		`DELETE FROM audit_checkpoints`,
	} {
		if _, err := db.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	free := func() (n int64) {
		if err := db.QueryRowContext(t.Context(), "PRAGMA freelist_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := free()
	more, err := store.Reclaim(t.Context())
	if err != nil || !more || before-free() != reclaimAtOnce {
		t.Errorf("%t %v: %d pages were free, %d are", more, err, before, free())
	}
	for more {
		if more, err = store.Reclaim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if left := free(); left > before/2 || left < sparePages-reclaimAtOnce || info.Size() > 2*before*4096/3 {
		t.Errorf("%d pages were free, %d are, in %d bytes", before, left, info.Size())
	}
}
