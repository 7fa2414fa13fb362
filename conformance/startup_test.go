package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// runDevWithSeed runs `certbound dev` with a registration it must refuse.
func runDevWithSeed(t *testing.T, seed map[string]any) harness.Result {
	t.Helper()
	content, err := json.Marshal(seed)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Run(t, append(devArgs(t), "--seed", writeFile(t, "seed.json", string(content)))...)
}

// devArgs are the arguments of a dev on free ports in its own directory.
func devArgs(t *testing.T) []string {
	t.Helper()
	return []string{"dev", "--dir", t.TempDir(), "--authz-addr", "127.0.0.1:0", "--proxy-addr", "127.0.0.1:0",
		"--admin-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0"}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func expectMentions(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("it does not mention %q:\n%s", want, text)
		}
	}
}

func TestDevDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		args  func(t *testing.T) []string
		wants []string
	}{
		{"seed file missing", func(t *testing.T) []string { return append(devArgs(t), "--seed", "no-such.json") }, []string{"no-such.json"}},
		{"seed with an unknown member", func(t *testing.T) []string {
			return append(devArgs(t), "--seed", writeFile(t, "seed.yaml", "clients:\n  - client_idd: x\n"))
		}, []string{"client_idd"}},
		{"empty trust bundle", func(t *testing.T) []string {
			return append(devArgs(t), "--seed", writeFile(t, "seed.json", `{"trust_bundles":[{"name":"void","anchors":""}]}`))
		}, []string{"void"}},
		{"malformed trust bundle", func(t *testing.T) []string {
			return append(devArgs(t), "--seed", writeFile(t, "seed.json", `{"trust_bundles":[{"name":"void","anchors":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}]}`))
		}, []string{"void"}},
		{"malformed database", func(t *testing.T) []string {
			args := devArgs(t)
			corrupt(t, args)
			return args
		}, []string{".db"}},
		{"public address", func(t *testing.T) []string { return append(devArgs(t), "--authz-addr", "0.0.0.0:0") }, []string{"0.0.0.0"}},
		{"signing key that is none", func(t *testing.T) []string {
			return append(devArgs(t), "--signing-key", writeFile(t, "key.json", `{"kty":"oct","k":"AAAA"}`))
		}, []string{"signing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := harness.Run(t, c.args(t)...)
			if result.Code == 0 {
				t.Fatal("it started")
			}
			expectMentions(t, result.Stderr, c.wants...)
		})
	}
}

// corrupt lets dev make its directory, and then spoils the database in it.
func corrupt(t *testing.T, args []string) {
	t.Helper()
	dir := args[2]
	d := harness.StartIn(t, dir)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	databases, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(databases) == 0 {
		t.Fatalf("no database in %s (%v)", dir, err)
	}
	for _, path := range databases {
		if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigurationErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	pem := writeFile(t, "empty.pem", "")
	for _, c := range []struct {
		name, command, yaml string
		wants               []string
	}{
		{"serve: unknown key", "serve", "version: 1\nissuer: https://as.example\nwat: 1\n", []string{"config.yaml:3", "wat"}},
		{"serve: empty", "serve", "", []string{"config.yaml"}},
		{"serve: not YAML", "serve", "version: [1\n", []string{"config.yaml:"}},
		{"proxy: unknown key", "proxy", "version: 1\nroutez: []\n", []string{"config.yaml:2", "routez"}},
		{"proxy: empty CA file", "proxy", "version: 1\nissuer_ca_file: " + pem + "\n", []string{"config.yaml:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := harness.Run(t, c.command, "--config", writeFile(t, "config.yaml", c.yaml))
			if result.Code == 0 {
				t.Fatal("it started")
			}
			expectMentions(t, result.Stderr, c.wants...)
		})
	}
	t.Run("missing file", func(t *testing.T) {
		result := harness.Run(t, "serve", "--config", "no-such.yaml")
		if result.Code == 0 {
			t.Fatal("it started")
		}
		expectMentions(t, result.Stderr, "no-such.yaml")
	})
}
