package foreign

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// python finds an interpreter that has the module: the system's, whose packages
// are Debian's, or another.
func python(t *testing.T, module string) string {
	t.Helper()
	for _, candidate := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), candidate, "-c", "import "+module).Run() == nil {
			return candidate
		}
	}
	keystest.Absent(t, "python3 with "+module)
	return ""
}

// nodeDir is a directory with the scripts of testdata/node and, beside them, the
// installed packages: those that CERTBOUND_FOREIGN_NODE_MODULES names, or
// testdata/node's own.
func nodeDir(t *testing.T) string {
	t.Helper()
	keystest.Program(t, "node")
	source, err := filepath.Abs("testdata/node")
	if err != nil {
		t.Fatal(err)
	}
	modules := os.Getenv("CERTBOUND_FOREIGN_NODE_MODULES")
	if modules == "" {
		modules = filepath.Join(source, "node_modules")
	}
	if _, err := os.Stat(filepath.Join(modules, "openid-client")); err != nil {
		keystest.Absent(t, "what npm ci installs from conformance/foreign/testdata/node")
	}
	dir := t.TempDir()
	for name, target := range map[string]string{
		"client.mjs": filepath.Join(source, "client.mjs"), "provider.mjs": filepath.Join(source, "provider.mjs"),
	} {
		content, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), content)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// firstField is the first line's field with that number, where programs put their
// versions.
func firstField(output string, number int) string {
	line, _, _ := strings.Cut(output, "\n")
	fields := strings.Fields(line)
	if number >= len(fields) {
		return "?"
	}
	return fields[number]
}
