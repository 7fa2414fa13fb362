package sqlite_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/certbound/certbound/storage/sqlite"
)

// openAsStranger opens path on a thread whose file accesses are those of a user
// who owns nothing. Tests run as root in containers, and root may write anywhere.
func openAsStranger(t *testing.T, path string) error {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		const nobody = 65534
		if os.Geteuid() == 0 {
			// Not syscall.Setfsuid: only this one thread shall change.
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
				result <- errno
				return
			}
		}
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err == nil {
			err = s.Close()
		}
		result <- err
	}()
	return <-result
}

// reachable is a database below directories that anybody may look into.
func reachable(t *testing.T) string {
	t.Helper()
	path := fill(t)
	if err := os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadOnly(t *testing.T) {
	existing := reachable(t)
	for _, c := range []struct{ name, path, protect string }{
		{"directory, no database yet", filepath.Join(filepath.Dir(existing), "new.db"), filepath.Dir(existing)},
		{"file", existing, existing},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := os.Stat(c.protect)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(c.protect, 0o555); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.Chmod(c.protect, info.Mode()); err != nil {
					t.Error(err)
				}
			}()
			err = openAsStranger(t, c.path)
			want := "sqlite: open database: open " + c.path + ": permission denied"
			if err == nil || err.Error() != want {
				t.Errorf("got error %v, want %s", err, want)
			}
		})
	}
}

// The file may be written, but SQLite cannot put its journal beside it.
func TestReadOnlyDirectoryAroundDatabase(t *testing.T) {
	path := reachable(t)
	dir := filepath.Dir(path)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Error(err)
		}
	}()
	err := openAsStranger(t, path)
	if err == nil || !strings.HasPrefix(err.Error(), "sqlite: open database "+path+": ") {
		t.Errorf("got error %v, want one that names the file", err)
	}
}
