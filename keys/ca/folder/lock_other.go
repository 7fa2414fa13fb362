//go:build !unix

package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// lockDirectory makes the file itself the lock, for lack of a kernel's; one that
// crashed leaves it behind.
func lockDirectory(dir string) (release func() error, err error) {
	name := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w (if none does, remove %s)", ErrBusy, name)
	}
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	return func() error { return errors.Join(file.Close(), os.Remove(name)) }, nil
}
