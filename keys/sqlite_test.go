package keys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// stored adapts the real store, as the wiring of authz does. Only this test may
// import it: the package itself knows its own Store and no other.
type stored struct{ db storage.Store }

func (s stored) SigningKeys(ctx context.Context) ([]Record, error) {
	rows, err := s.db.SigningKeys(ctx)
	var records []Record
	for _, row := range rows {
		records = append(records, Record(row))
	}
	return records, err
}

func (s stored) AddSigningKey(ctx context.Context, r Record) error {
	err := s.db.Update(ctx, func(tx storage.Tx) error { return tx.AddSigningKey(ctx, storage.SigningKey(r)) })
	if errors.Is(err, storage.ErrConflict) {
		return ErrExists
	}
	return err
}

func openDatabase(t *testing.T, path string) stored {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return stored{db}
}

// TestDatabase: several starts at once on one real file end with one key, and
// nothing of its private half is in the file or in what lies beside it.
func TestDatabase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "certbound.db")
	kekKey := []byte("a key-encryption key of 32 bytes")
	s := sealer(t, KEK{ID: "k1", Key: kekKey})
	const processes = 4
	kids := make([]string, processes)
	var wg sync.WaitGroup
	for i := range processes {
		db := openDatabase(t, path)
		wg.Go(func() {
			r, err := Open(t.Context(), Config{Store: db, Sealer: s, Clock: clock})
			if err != nil {
				t.Error(err)
				return
			}
			kids[i] = r.KeyID()
		})
	}
	wg.Wait()
	for _, kid := range kids {
		if kid == "" || kid != kids[0] {
			t.Fatalf("the processes use %q", kids)
		}
	}

	records, err := openDatabase(t, path).SigningKeys(t.Context())
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, error %v", len(records), err)
	}
	forms := secrets(t, s, &records[0])
	forms["key-encryption key"] = kekKey
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(content, []byte(kids[0]))
		for what, form := range forms {
			if bytes.Contains(content, form) {
				t.Errorf("%s holds the %s", filepath.Base(file), what)
			}
		}
	}
	if !found {
		t.Error("the kid is in none of the files: the search looks in the wrong place")
	}
}
