package readme

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// Shell runs commands one after the other in one bash, so that variables last.
type Shell struct {
	dir        string
	env        []string
	stdin      io.WriteCloser
	output     *harness.Log
	cmd        *exec.Cmd
	exited     chan struct{}
	read       int // how much of the output earlier commands have printed
	count      int
	background []*exec.Cmd
	ended      []chan struct{}
}

// NewShell starts a shell in dir.
func NewShell(dir string, env ...string) (*Shell, error) {
	s := &Shell{dir: dir, env: append(append(os.Environ(), "README_HOME="+dir), env...), output: &harness.Log{}, exited: make(chan struct{})}
	s.cmd = s.command("bash", "--noprofile", "--norc")
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("readme: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // its end is what counts
		close(s.exited)
	}()
	return s, nil
}

// command has its own process group, so that what it starts ends with it.
func (s *Shell) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Run runs a command to its end and returns what it printed and its status.
func (s *Shell) Run(text string, timeout time.Duration) (output string, status int, err error) {
	s.count++
	marker := fmt.Sprintf("\x1e%d ", s.count)
	// The braces keep variables; the command must not read our script.
	if _, err := fmt.Fprintf(s.stdin, "{ %s\n} </dev/null 2>&1; printf '\\036%d %%d\\n' $?\n", text, s.count); err != nil {
		return "", 0, fmt.Errorf("readme: the shell has ended: %w", err)
	}
	deadline := time.After(timeout)
	for {
		all, changed := s.output.Snapshot()
		if printed, rest, found := strings.Cut(all[s.read:], marker); found && strings.Contains(rest, "\n") {
			line, _, _ := strings.Cut(rest, "\n")
			if _, err := fmt.Sscanf(line, "%d", &status); err != nil {
				return "", 0, fmt.Errorf("readme: status %q: %w", line, err)
			}
			s.read += len(printed) + len(marker) + len(line) + 1
			return printed, status, nil
		}
		select {
		case <-changed:
		case <-s.exited:
			return all[s.read:], 0, fmt.Errorf("readme: the command ended the shell: %s", text)
		case <-deadline:
			return all[s.read:], 0, fmt.Errorf("readme: not ended after %s: %s", timeout, text)
		}
	}
}

// Home goes back to the directory the shell was started in.
func (s *Shell) Home() error {
	_, status, err := s.Run("cd \"$README_HOME\"", time.Minute)
	if err == nil && status != 0 {
		err = fmt.Errorf("readme: %s is gone", s.dir)
	}
	return err
}

// Begin starts a command that goes on, and returns when it has printed what the
// page shows.
func (s *Shell) Begin(text, shown string, rewrite func(string) string, timeout time.Duration) error {
	var log harness.Log
	cmd := s.command("bash", "-c", text)
	cmd.Stdout, cmd.Stderr = &log, io.Discard
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("readme: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.background, s.ended = append(s.background, cmd), append(s.ended, ended)
	deadline := time.After(timeout)
	for {
		printed, changed := log.Snapshot()
		if HasBegun(shown, rewrite(printed)) {
			return nil
		}
		select {
		case <-changed:
		case <-ended:
			return fmt.Errorf("readme: it ended: %s\n%s", text, indent(printed))
		case <-deadline:
			return fmt.Errorf("readme: the page shows\n%s\nand after %s it has printed\n%s", indent(shown), timeout, indent(rewrite(printed)))
		}
	}
}

// Close ends the shell and everything that was left running.
func (s *Shell) Close() {
	_ = s.stdin.Close()
	for i, cmd := range s.background {
		end(cmd, s.ended[i])
	}
	end(s.cmd, s.exited)
}

// end asks a process group to end, and makes it.
func end(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
}
