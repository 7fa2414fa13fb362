package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// FuzzLoad feeds any text: reading it must end in a configuration or in an error
// that names the file, never in a panic, and what loads must load again alike.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{serveYAML, proxyYAML, "version: 1\ncases:\n- {name: a, path: /a, expect: allow}\n", "", "a: &a [*a]\n", "? - b\n: c\n", "<<: {version: 1}\n", "version: 0x1\n", "routes:\n- {}\n- ~\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := config.LoadServe(file, nil); err != nil && len(err.Error()) <= len(file) {
			t.Errorf("an error without a cause: %v", err)
		}
		if _, _, err := config.LoadProxy(file, nil); err != nil && len(err.Error()) <= len(file) {
			t.Errorf("an error without a cause: %v", err)
		}
		if _, err := config.LoadPolicy(file); err != nil && len(err.Error()) <= len(file) {
			t.Errorf("an error without a cause: %v", err)
		}
	})
}
