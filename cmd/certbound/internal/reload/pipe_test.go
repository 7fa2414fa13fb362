//go:build unix

package reload_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/reload"
)

// TestPipe: a configuration that can be read once is not read behind the process's
// back.
func TestPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "config")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reload.New(reload.Config{File: fifo, Apply: nil}).Note(fifo) // it would wait for ever
}
