package foreign

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// limit bounds a program that runs to its end, and the start of one that stays. It
// bounds a failure, not a speed.
const limit = time.Minute

// finished is what a program left that has run to its end.
type finished struct {
	code           int
	stdout, stderr string
}

// run runs a program to its end.
func run(t *testing.T, stdin, name string, args ...string) finished {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = environment(), attached(), time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (ctx.Err() != nil || !errors.As(err, &exit)) {
		t.Fatalf("%s: %v (%v)\n%s%s", name, err, ctx.Err(), &stdout, &stderr)
	}
	return finished{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a program that is to end with 0, and returns what it printed.
func must(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	f := run(t, stdin, name, args...)
	if f.code != 0 {
		t.Fatalf("%s %v: code %d\n%s%s", name, args, f.code, f.stdout, f.stderr)
	}
	return f.stdout
}

// environment is ours without what would send a peer elsewhere.
func environment(more ...string) []string {
	var all []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
		if strings.HasSuffix(name, "_PROXY") || name == "NODE_OPTIONS" || name == "JAVA_TOOL_OPTIONS" {
			continue
		}
		all = append(all, entry)
	}
	return append(all, more...)
}

// server is a peer that stays until the test ends.
type server struct {
	cmd    *exec.Cmd
	log    harness.Log // what it writes to either output
	exited chan struct{}
}

// start starts a peer that stays. It ends with the test, and with the test's
// process where the system can promise that.
func start(t *testing.T, environ []string, name string, args ...string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(name, args...), exited: make(chan struct{})}
	s.cmd.Env, s.cmd.SysProcAttr, s.cmd.WaitDelay = environ, attached(), time.Second
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // ended by a signal of ours
		close(s.exited)
	}()
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) stop(t *testing.T) {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(20 * time.Second):
		t.Errorf("%s did not end within 20 s of SIGTERM", s.cmd.Path)
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	if t.Failed() {
		t.Logf("%s wrote\n%s", s.cmd.Path, s.log.String())
	}
}

// wait waits until ready says so, looking again whenever there is more in the log
// and now and then.
func (s *server) wait(t *testing.T, ready func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-s.exited:
			t.Fatalf("%s ended by itself\n%s", s.cmd.Path, s.log.String())
		case <-deadline:
			t.Fatalf("%s is not ready after %s\n%s", s.cmd.Path, limit, s.log.String())
		}
	}
}
