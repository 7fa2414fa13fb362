package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

func TestOpenReadOnly(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "x.db")
	if _, err := sqlite.OpenReadOnly(ctx, path, sqlite.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was made")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenReadOnly(ctx, path, sqlite.Options{}); !errors.Is(err, sqlite.ErrOutdated) {
		t.Errorf("an empty file: %v", err)
	}
	writable, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := writable.Close(); err != nil {
			t.Error(err)
		}
	}()
	store, err := sqlite.OpenReadOnly(ctx, path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := store.SigningKeys(ctx); err != nil {
		t.Error(err)
	}
	err = store.Update(ctx, func(tx storage.Tx) error { return create(ctx, tx) })
	if err == nil {
		t.Error("a read-only database was written to")
	}
}

func create(ctx context.Context, tx storage.Tx) error {
	return tx.CreatePartner(ctx, storage.Partner{ID: "a", Name: "A"})
}
