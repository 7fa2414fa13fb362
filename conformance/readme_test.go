package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/conformance/internal/readme"
)

// commandTimeout bounds one command of the README; `go test ./...` is among them.
const commandTimeout = 20 * time.Minute

// TestREADME runs every command of README.md in a copy of the checkout and
// compares what it prints with what the page shows.
//
// The page uses dev's usual ports. Here each stands for a free one, so that the
// test runs beside a dev of the reader's own.
//
// `go test ./...` stands in the README too and would run this test in itself. It
// is left out, unless CERTBOUND_README=full says that nothing runs around us.
func TestREADME(t *testing.T) {
	t.Parallel()
	mode := os.Getenv("CERTBOUND_README")
	if mode == "inner" {
		t.Log("this is `go test ./...` of the README itself")
		return
	}
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, err := readme.Parse(string(page))
	if err != nil {
		t.Fatal(err)
	}
	if len(commands) == 0 {
		t.Fatal("README.md has no commands")
	}
	dir := t.TempDir()
	copyCheckout(t, dir)
	// Built as the harness builds, what is compiled already serves here too.
	shell, err := readme.NewShell(dir, "CERTBOUND_README=inner", "CGO_ENABLED=0", "GOFLAGS="+os.Getenv("GOFLAGS")+" -trimpath")
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	toFree, toPage := portRewriters(t)
	for _, c := range commands {
		if c.Opens {
			if err := shell.Home(); err != nil {
				t.Fatal(err)
			}
		}
		if mode != "full" && strings.Contains(c.Text, "go test ./...") {
			t.Logf("README.md:%d: left out: it is what runs this test", c.Line)
			continue
		}
		t.Logf("README.md:%d: %s", c.Line, c.Text)
		if c.Background {
			if err := shell.Begin(withFreePorts(c.Text, toFree), c.Output, toPage, commandTimeout); err != nil {
				t.Fatalf("README.md:%d: %v", c.Line, err)
			}
			continue
		}
		output, status, err := shell.Run(toFree(c.Text), commandTimeout)
		if err != nil {
			t.Fatalf("README.md:%d: %v", c.Line, err)
		}
		if status != 0 {
			t.Fatalf("README.md:%d: status %d\n%s", c.Line, status, output)
		}
		if c.Shown {
			if err := readme.Match(c.Output, toPage(output)); err != nil {
				t.Errorf("README.md:%d: %v", c.Line, err)
			}
		}
	}
}

// usualPorts are dev's defaults and the flags that set them.
var usualPorts = []struct{ port, flag string }{
	{"8443", "--authz-addr"}, {"8444", "--proxy-addr"}, {"8445", "--admin-addr"}, {"8446", "--ops-addr"},
}

// portRewriters exchange the usual ports for free ones and back.
func portRewriters(t *testing.T) (toFree, toPage func(string) string) {
	t.Helper()
	var there, back []string
	for _, usual := range usualPorts {
		free := harness.FreePort(t)
		there = append(there, ":"+usual.port, ":"+free)
		back = append(back, ":"+free, ":"+usual.port)
	}
	return strings.NewReplacer(there...).Replace, strings.NewReplacer(back...).Replace
}

// withFreePorts adds the flags for ports the command leaves at their default.
func withFreePorts(command string, toFree func(string) string) string {
	if strings.Contains(command, "certbound dev") {
		for _, usual := range usualPorts {
			if !strings.Contains(command, usual.flag) {
				command += " " + usual.flag + " 127.0.0.1:" + usual.port
			}
		}
	}
	return toFree(command)
}

// copyCheckout copies what a clone would hold.
func copyCheckout(t *testing.T, dir string) {
	t.Helper()
	leftBehind := []string{".git", "certbound-dev", "dist"}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, strings.TrimPrefix(path, ".."))
		switch {
		case entry.IsDir() && slices.Contains(leftBehind, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode().Perm())
	})
	if err != nil {
		t.Fatalf("copy the checkout: %v", err)
	}
}
