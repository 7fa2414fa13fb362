package harness

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is where everything of this test run lives: the binary and the state of
// the shared process.
var root = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "certbound-conformance-") })

// binary builds certbound as it is shipped: static. The paths are left out for the
// build's sake: the compiled packages serve every checkout and .ci/run.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "certbound")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "github.com/certbound/certbound/cmd/certbound")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cmd/certbound: %w\n%s", err, out)
	}
	return path, nil
})

// Binary returns the path of the built binary.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// together is how many tests that ask for it run at once, unless -parallel says so:
// they wait for servers and clocks more than they compute.
const together = 6

// Main runs the tests of a package, and ends the shared process after them.
func Main(m *testing.M) int {
	if !flag.Parsed() {
		flag.Parse()
	}
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", strconv.Itoa(max(together, runtime.GOMAXPROCS(0)))) // a flag of testing's own
	}
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		code = max(code, 1)
	}
	if dir, err := root(); err == nil {
		_ = os.RemoveAll(dir) // what is left is in the temporary directory
	}
	return code
}

// environment is ours without the variables that certbound would take for
// settings: some steer the tests.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CERTBOUND_") })
}

// Result is what a finished command left.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs the binary to its end, in an empty directory.
func Run(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Env = environment()
	cmd.Dir = t.TempDir()
	var stdout, stderr Log
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("run %v: still running after a minute\n%s", args, tail(stderr.String()))
	}
	if cmd.ProcessState == nil {
		t.Fatalf("run %v: %v", args, err)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
