package keystest

import (
	"os"
	"os/exec"
	"testing"
)

// Program finds a program of somebody else's that a test compares with, or ends the
// test as [Absent] does.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Absent(t, name)
	}
	return path
}

// Strict says that nothing may be left out: in CI, where .ci/run installs everything.
func Strict() bool {
	return os.Getenv("CI") == "true" || os.Getenv("CERTBOUND_STRICT") == "yes"
}

// Absent ends the test of something that is not on this machine: skipped and said
// so, or failed in CI, where .ci/run installs everything and nothing may be left
// out.
func Absent(t testing.TB, what string) {
	t.Helper()
	if Strict() {
		t.Fatalf("%s is not here, and nothing may be left out (.ci/run installs it)", what)
	}
	t.Skipf("NOT RUN: %s is not here; .ci/run installs it", what) //nolint:forbidigo // a skip is a failure in CI, and elsewhere nobody has every program
}
