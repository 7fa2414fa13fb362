package keys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

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

// Update runs fn as one transaction of the database.
func (s stored) Update(ctx context.Context, fn func(Tx) error) error {
	return s.db.Update(ctx, func(tx storage.Tx) error { return fn(storedTx{tx, nil}) })
}

// storedTx adapts a transaction. Before each write it asks whether the process is
// still there.
type storedTx struct {
	storage.Tx
	alive func() error
}

func (t storedTx) step() error {
	if t.alive == nil {
		return nil
	}
	return t.alive()
}

func (t storedTx) SigningKeys(ctx context.Context) ([]Record, error) {
	rows, err := t.Tx.SigningKeys(ctx)
	var records []Record
	for _, row := range rows {
		records = append(records, Record(row))
	}
	return records, err
}

func (t storedTx) AddSigningKey(ctx context.Context, r Record) error {
	return errors.Join(t.step(), t.Tx.AddSigningKey(ctx, storage.SigningKey(r)))
}

func (t storedTx) UpdateSigningKey(ctx context.Context, r Record) error {
	return errors.Join(t.step(), t.Tx.UpdateSigningKey(ctx, storage.SigningKey(r)))
}

// TestCrashInTheMiddle ends a rotation and a revocation before each of their
// writes and before the commit: another process finds the old keys, never none.
func TestCrashInTheMiddle(t *testing.T) {
	db := openDatabase(t, filepath.Join(t.TempDir(), "certbound.db"))
	s, now := sealer(t, kek("k1", 1)), start
	c := Config{Store: db, Sealer: s, Clock: func() time.Time { return now }}
	r := open(t, c)
	change := func(alive func() error, fn func(tx Tx, spares Spares) ([]Change, error)) error {
		spares, err := r.Spare(ES256)
		if err != nil {
			t.Fatal(err)
		}
		return db.db.Update(t.Context(), func(tx storage.Tx) error {
			if _, err := fn(storedTx{tx, alive}, spares); err != nil {
				return err
			}
			return alive()
		})
	}
	always := func() error { return nil }
	tend := func(tx Tx, spares Spares) ([]Change, error) { return r.TendIn(t.Context(), tx, nil, spares) }
	if err := change(always, tend); err != nil {
		t.Fatal(err)
	}
	now = start.Add(time.Hour)
	first := r.KeyID()
	crash := errors.New("the process is gone")
	for name, fn := range map[string]func(tx Tx, spares Spares) ([]Change, error){
		"rotation":   func(tx Tx, spares Spares) ([]Change, error) { return r.RotateIn(t.Context(), tx, ES256, spares) },
		"revocation": func(tx Tx, spares Spares) ([]Change, error) { return r.RevokeIn(t.Context(), tx, first, spares) },
	} {
		before, err := db.SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for at := range 4 { // three writes and the commit
			left := at
			dies := func() error {
				if left--; left < 0 {
					return crash
				}
				return nil
			}
			if err := change(dies, fn); !errors.Is(err, crash) {
				t.Fatalf("%s, step %d: %v", name, at, err)
			}
			after, err := db.SigningKeys(t.Context())
			if diff := gocmp.Diff(before, after); diff != "" || err != nil {
				t.Errorf("%s, step %d: %v\n%s", name, at, err, diff)
			}
			if again := open(t, c); again.KeyID() != first {
				t.Errorf("%s, step %d: %s signs", name, at, again.KeyID())
			}
		}
	}
	if err := change(always, func(tx Tx, spares Spares) ([]Change, error) { return r.RotateIn(t.Context(), tx, ES256, spares) }); err != nil {
		t.Fatal(err)
	}
	if again := open(t, c); again.KeyID() == first || len(parseSet(t, again.PublicJWKS()).Keys) != 3 {
		t.Errorf("%s signs after the rotation", again.KeyID())
	}
}

// TestRotateTogether: processes that rotate at once end with one active key, and
// agree on it when they have read again.
func TestRotateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certbound.db")
	s, now := sealer(t, kek("k1", 1)), start
	var rings []*Ring
	var dbs []stored
	for range 4 {
		db := openDatabase(t, path)
		dbs = append(dbs, db)
		rings = append(rings, open(t, Config{Store: db, Sealer: s, Clock: func() time.Time { return now }}))
	}
	first := rings[0].KeyID()
	together := func(fn func(r *Ring, tx Tx, spares Spares) error) {
		var wg sync.WaitGroup
		for i, r := range rings {
			wg.Go(func() {
				spares, err := r.Spare(ES256)
				if err == nil {
					err = dbs[i].Update(t.Context(), func(tx Tx) error { return fn(r, tx, spares) })
				}
				if err != nil && !errors.Is(err, storage.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, r := range rings {
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	together(func(r *Ring, tx Tx, spares Spares) error {
		_, err := r.TendIn(t.Context(), tx, nil, spares)
		return err
	})
	now = start.Add(time.Hour)
	together(func(r *Ring, tx Tx, spares Spares) error {
		_, err := r.RotateIn(t.Context(), tx, ES256, spares)
		return err
	})
	for _, r := range rings {
		if r.KeyID() == first || r.KeyID() != rings[0].KeyID() || len(parseSet(t, r.PublicJWKS()).Keys) != 3 {
			t.Errorf("%s signs, %d keys", r.KeyID(), len(parseSet(t, r.PublicJWKS()).Keys))
		}
	}
}
