package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// verdict is what came of a flaw, or of the sources without one.
type verdict struct {
	outcome string // killed, survived, timed out, or broken
	by      string // the test, or why it is broken
}

const (
	killed   = "killed"
	survived = "survived"
	timedOut = "timed out"
	broken   = "broken"
)

// bench is where flaws are tried.
type bench struct {
	root    string        // of the module
	work    string        // for overlays
	timeout time.Duration // of all tests of one flaw
}

// try puts the flaw into the build and runs its tests until one fails.
func (b *bench) try(ctx context.Context, f *Flaw) verdict {
	flawed, err := f.apply(os.DirFS(b.root))
	if err != nil {
		return verdict{broken, err.Error()}
	}
	overlay, err := b.overlay(f, flawed)
	if err != nil {
		return verdict{broken, err.Error()}
	}
	return b.tests(ctx, overlay, f.Package(), f.Tests)
}

// tests runs the unit tests of a package, then the named black-box tests.
func (b *bench) tests(ctx context.Context, overlay, unit, blackbox string) verdict {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	v := b.goTest(ctx, overlay, "./"+unit)
	if v.outcome == survived && blackbox != "" {
		v = b.goTest(ctx, overlay, "./conformance", "-run", "^("+blackbox+")$")
	}
	return v
}

// overlay writes what the go command reads instead of the file.
func (b *bench) overlay(f *Flaw, flawed []byte) (string, error) {
	source, description := filepath.Join(b.work, f.Name+".go"), filepath.Join(b.work, f.Name+".json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(b.root, filepath.FromSlash(f.File)): source}})
	if err != nil {
		return "", fmt.Errorf("mutation: %w", err)
	}
	if err := errors.Join(os.WriteFile(source, flawed, 0o600), os.WriteFile(description, replace, 0o600)); err != nil {
		return "", fmt.Errorf("mutation: %w", err)
	}
	return description, nil
}

// event is a line of `go test -json`.
type event struct {
	Action string
	Test   string
	Output string
}

// goTest runs tests. The overlay goes by GOFLAGS, so that the harness of the
// black-box tests builds the same binary.
func (b *bench) goTest(ctx context.Context, overlay string, args ...string) verdict {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-failfast", "-vet=off"}, args...)...)
	cmd.Dir = b.root
	// Asked to end, the tests end the servers they have started.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = os.Environ()
	if overlay != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return verdict{timedOut, strings.Join(args, " ")}
	}
	return judge(&stdout, stderr.String(), err)
}

// judge reads what go test has printed. Tests that could not be built, or did not
// run, have shown nothing.
func judge(lines io.Reader, stderr string, err error) verdict {
	ran, output := false, ""
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			continue
		}
		switch {
		case e.Action == "build-fail":
			return verdict{broken, "does not compile: " + strings.TrimSpace(output)}
		case e.Action == "build-output":
			output += e.Output
		case e.Test != "" && e.Action == "fail":
			return verdict{killed, e.Test}
		case strings.HasPrefix(e.Output, "build cmd/certbound:"), strings.Contains(e.Output, "build failed"):
			return verdict{broken, "the binary does not compile: " + strings.TrimSpace(e.Output)}
		case e.Test != "" && e.Action == "pass":
			ran = true
		}
	}
	switch {
	case scanner.Err() != nil:
		return verdict{broken, scanner.Err().Error()}
	case err != nil && !ran:
		return verdict{broken, strings.TrimSpace(err.Error() + " " + stderr)}
	case err != nil: // a panic outside of a test, say
		return verdict{killed, "the whole of the package"}
	case !ran:
		return verdict{broken, "no test ran"}
	}
	return verdict{survived, ""}
}

// moduleRoot is the directory of go.mod, at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("mutation: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("mutation: no go.mod here or above")
		}
		dir = parent
	}
}
