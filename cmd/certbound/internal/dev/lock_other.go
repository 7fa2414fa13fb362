//go:build !unix

package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// lock makes sure that one dev runs in a directory. Without a kernel's file lock
// the file itself is the lock, and one that crashed leaves it behind.
func lock(dir string) (release func() error, err error) {
	name := filepath.Join(dir, "dev.lock")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w (if none does, remove %s)", &busyError{dir}, name)
	}
	if err != nil {
		return nil, fmt.Errorf("dev: %w", err)
	}
	return func() error { return errors.Join(file.Close(), os.Remove(name)) }, nil
}
