package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// replace writes a file so that a crash leaves the old one or the new one, and the
// new one is durable when it returns.
func replace(path string, text []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("folder: %w", err), os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// ErrBusy: another process works in the directory.
var ErrBusy = errors.New("folder: another process works in this directory")

const lockFile = "lock"
