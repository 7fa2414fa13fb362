package harness

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Process is a running certbound command.
type Process struct {
	Stdout, Stderr *Log
	cmd            *exec.Cmd
	exited         chan struct{}
	killed         bool
}

// StartProcess runs the binary until the test ends, and then expects it to end
// with 0. Its log may be shared with other processes.
func StartProcess(t testing.TB, stderr *Log, args ...string) *Process {
	t.Helper()
	return StartProgram(t, stderr, Binary(t), args...)
}

// StartProgram is StartProcess for another program than certbound.
func StartProgram(t testing.TB, stderr *Log, path string, args ...string) *Process {
	t.Helper()
	p := &Process{Stdout: &Log{}, Stderr: stderr, exited: make(chan struct{})}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = environment()
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.Stdout, p.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended shows in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("%s %v: %v", filepath.Base(path), args, err)
		}
	})
	return p
}

// Kill ends the process as a power cut would.
func (p *Process) Kill() {
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Stop ends the process as a supervisor would; stopping twice is fine.
func (p *Process) Stop() error {
	if p.killed {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("it did not end within 30 s of SIGTERM")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("it ended with code %d:\n%s", code, tail(p.Stderr.String()))
	}
	return nil
}

// Hangup asks the process to reload.
func (p *Process) Hangup(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }
