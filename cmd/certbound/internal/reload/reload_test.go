package reload_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/reload"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// process is what is reloaded: a configuration whose lines name further files. One
// that says "bad" is refused.
type process struct {
	t        *testing.T
	dir      string
	reloader *reload.Reloader
	hangup   chan os.Signal
	applied  chan string // each configuration that was put in force
	lines    chan map[string]any

	mu   sync.Mutex
	away error // what Apply fails with although the files are fine
}

// never is for tests of what must not wait for the regular check.
const never = time.Hour

func start(t *testing.T, check time.Duration, prepare func(dir string)) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir(), hangup: make(chan os.Signal), applied: make(chan string, 100), lines: make(chan map[string]any, 100)}
	p.write("config", "first\n")
	if prepare != nil {
		prepare(p.dir)
	}
	p.reloader = reload.New(reload.Config{
		File: p.file("config"), Apply: p.apply, Hangup: p.hangup, CheckEvery: check,
		Logger: slog.New(slog.NewJSONHandler(p, nil)),
	})
	text, err := os.ReadFile(p.file("config"))
	if err != nil {
		t.Fatal(err)
	}
	p.reloader.Note(p.named(string(text))...)
	t.Cleanup(p.reloader.Start(context.Background()))
	return p
}

func (p *process) file(name string) string { return filepath.Join(p.dir, name) }

// write replaces a file by renaming.
func (p *process) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(p.file(name+".new"), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(p.file(name+".new"), p.file(name)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) named(text string) (files []string) {
	for _, line := range strings.Fields(text)[1:] {
		files = append(files, p.file(line))
	}
	return files
}

func (p *process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = err
}

func (p *process) apply(_ context.Context, note func(...string)) ([]string, error) {
	text, err := os.ReadFile(p.file("config"))
	if err != nil {
		return nil, err
	}
	note(p.named(string(text))...)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil || strings.HasPrefix(string(text), "bad") {
		return nil, errors.Join(errors.New("config:1:1: bad"), p.away)
	}
	all := strings.Fields(string(text))[0]
	for _, name := range p.named(string(text)) {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all += " " + string(content)
	}
	p.applied <- all
	return []string{"setting"}, nil
}

func (p *process) Write(line []byte) (int, error) {
	var m map[string]any
	err := json.Unmarshal(line, &m)
	p.lines <- m
	return len(line), err
}

// inForce waits until exactly that was applied.
func (p *process) inForce(want string) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case got := <-p.applied:
			if got == want {
				return
			}
		case <-timeout:
			p.t.Fatalf("%q is not in force", want)
		}
	}
}

func (p *process) logged(message string) map[string]any {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-p.lines:
			if line["msg"] == message {
				return line
			}
		case <-timeout:
			p.t.Fatalf("no log line %q", message)
		}
	}
}

func TestSignal(t *testing.T) {
	p := start(t, never, nil)
	for range 3 { // nothing has changed, and that is fine
		p.hangup <- syscall.SIGHUP
		p.inForce("first")
		line := p.logged("reloaded")
		if line["trigger"] != "signal" || line["level"] != "INFO" || len(line["files"].([]any)) != 0 {
			t.Errorf("logged %v", line)
		}
	}
	if s := p.reloader.Stats(); s.Succeeded != 3 || s.Failed != 0 || !s.OK || p.reloader.Probe(t.Context()) != nil {
		t.Errorf("%+v", s)
	}
}

// TestFileChange: by renaming, in place, a file that is named, and one that was not
// there.
func TestFileChange(t *testing.T) {
	p := start(t, never, nil)
	p.write("config", "second\n")
	p.inForce("second")
	p.write("ca", "A")
	p.write("config", "third ca\n")
	p.inForce("third A")
	if err := os.WriteFile(p.file("ca"), []byte("B"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.inForce("third B")
	p.write("config", "fourth ca late\n")
	p.logged("reload_failed")
	p.write("late", "L")
	p.inForce("fourth B L")
	for line := p.logged("reloaded"); line["trigger"] != "file" || !slices.Contains(line["files"].([]any), any(p.file("late"))); {
		line = p.logged("reloaded")
	}
}

// TestSymlinks swaps a link on the way to a file, as Kubernetes and deployment tools
// do.
// TestNoisyNeighbour: a file that is written to all the time, as a database is, does
// not hide a change of one that matters.
func TestNoisyNeighbour(t *testing.T) {
	p := start(t, never, nil)
	noise, err := os.Create(p.file("database"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		defer noise.Close()
		for ctx.Err() == nil {
			_, _ = noise.WriteAt([]byte("x"), 0)
		}
	})
	for _, name := range []string{"second", "third"} {
		p.write("config", name+"\n")
		p.inForce(name)
	}
	stop()
	writing.Wait()
}

func TestSymlinks(t *testing.T) {
	p := start(t, never, func(dir string) {
		for name, text := range map[string]string{"v1/config": "first mount/ca\n", "v1/ca": "A", "v2/config": "second mount/ca\n", "v2/ca": "B"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for name, target := range map[string]string{"data": "v1", "mount": "data", "config.link": "mount/config"} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(filepath.Join(dir, "config.link"), filepath.Join(dir, "config")); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.Symlink("v2", p.file("data.new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.file("data.new"), p.file("data")); err != nil {
		t.Fatal(err)
	}
	p.inForce("second B")
	if err := os.WriteFile(p.file("v2/ca"), []byte("C"), 0o600); err != nil { // where nobody watched before
		t.Fatal(err)
	}
	p.inForce("second C")
}

// TestCheck: a directory that is replaced says nothing to who watches the old one.
func TestCheck(t *testing.T) {
	p := start(t, 10*time.Millisecond, func(dir string) {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o700), os.WriteFile(filepath.Join(dir, "d/ca"), []byte("A"), 0o600),
			os.WriteFile(filepath.Join(dir, "config"), []byte("first d/ca"), 0o600)); err != nil {
			t.Fatal(err)
		}
	})
	if err := errors.Join(os.Rename(p.file("d"), p.file("old")), os.Mkdir(p.file("d"), 0o700),
		os.WriteFile(p.file("d/ca"), []byte("B"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p.inForce("first B")
}

// TestFailure: it is said once, by the log, the probe and the numbers, tried again,
// and over when it is over.
func TestFailure(t *testing.T) {
	p := start(t, 10*time.Millisecond, nil)
	before := p.reloader.Stats().LastSuccess
	p.fail(fmt.Errorf("config:2:1: the issuer is %w, because %w", errors.New("away"), errors.New("asleep")))
	p.hangup <- syscall.SIGHUP
	line := p.logged("reload_failed")
	if line["level"] != "ERROR" || !slices.Equal(line["problems"].([]any), []any{"config:1:1: bad", "config:2:1: the issuer is away, because asleep"}) {
		t.Errorf("logged %v", line)
	}
	err := p.reloader.Probe(t.Context())
	if err == nil || !strings.HasSuffix(err.Error(), "is in force:\nconfig:1:1: bad\nconfig:2:1: the issuer is away, because asleep") {
		t.Errorf("the probe says %v", err)
	}
	if s := p.reloader.Stats(); s.Failed != 1 || s.OK || !s.LastSuccess.Equal(before) {
		t.Errorf("%+v", s)
	}
	p.fail(nil)
	p.inForce("first")
	if line := p.logged("reloaded"); line["trigger"] != "retry" {
		t.Errorf("logged %v", line)
	}
	if s := p.reloader.Stats(); s.Failed != 1 || !s.OK || s.Succeeded != 1 || p.reloader.Probe(t.Context()) != nil {
		t.Errorf("%+v", s)
	}
}

// TestStop: nothing is said of a reload that the end of the process breaks off.
func TestStop(t *testing.T) {
	hangup, applying := make(chan os.Signal), make(chan struct{})
	file := filepath.Join(t.TempDir(), "config")
	var log strings.Builder
	r := reload.New(reload.Config{
		File: file, Hangup: hangup, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Apply: func(ctx context.Context, _ func(...string)) ([]string, error) {
			close(applying)
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	stop := r.Start(context.Background())
	hangup <- syscall.SIGHUP
	<-applying
	stop()
	if s := r.Stats(); s.Failed != 0 || log.Len() != 0 {
		t.Errorf("%+v, logged %s", s, log.String())
	}
}
