package conformance

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// outage is a way in which a database stops taking writes, and comes back.
type outage struct {
	name  string
	dir   func(t *testing.T) string // where the server has its files; nil for any
	begin func(t *testing.T, d *harness.Dev) (end func())
}

// outages are all that can be had: a limit of the process needs nothing, and a
// file system of its own the right to mount one, which .ci/soak asks for.
func outages(t *testing.T) []outage {
	all := []outage{
		{"nothing can be written", nil, func(t *testing.T, d *harness.Dev) func() {
			d.LimitFileSize(t, 0)
			return func() { d.LimitFileSize(t, harness.NoLimit) }
		}},
		{"the disk is full within a commit", nil, func(t *testing.T, d *harness.Dev) func() {
			const room = 3000 // bytes: a part of the first page that a commit adds to the journal
			d.LimitFileSize(t, walSize(t, d)+room)
			return func() { d.LimitFileSize(t, harness.NoLimit) }
		}},
		{"another process holds the write lock", nil, holdWriteLock},
	}
	switch mounts := os.Getenv("CERTBOUND_MOUNTS"); mounts {
	case "":
	case "yes":
		all = append(all, outage{"a full file system", smallDisk, fillDisk})
	default:
		t.Fatalf("CERTBOUND_MOUNTS is %q, not yes", mounts)
	}
	return all
}

// start runs a server whose files are where the outage can reach them.
func (o *outage) start(t *testing.T) *harness.Dev {
	t.Helper()
	dir := t.TempDir()
	if o.dir != nil {
		dir = o.dir(t)
	}
	d := harness.StartIn(t, dir)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func walSize(t *testing.T, d *harness.Dev) uint64 {
	t.Helper()
	info, err := os.Stat(databaseOf(d) + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return uint64(info.Size())
}

func databaseOf(d *harness.Dev) string { return filepath.Join(d.Dir, "certbound.db") }

// holdWriteLock begins a transaction that writes and leaves it open, as a backup
// or a repair by hand may: longer than the server waits for it.
func holdWriteLock(t *testing.T, d *harness.Dev) func() {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+databaseOf(d)+"?_txlock=immediate&_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(context.Background(), nil) // outlives the test's context
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// smallDisk mounts a file system of a few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatalf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk leaves not one byte of the file system free.
func fillDisk(t *testing.T, d *harness.Dev) func() {
	t.Helper()
	file := filepath.Join(d.Dir, "filler")
	filler, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	page := []byte(strings.Repeat("x", 4096))
	for err == nil {
		_, err = filler.Write(page)
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the file system: %v", err)
	}
	return func() {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}
