package harness

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"
)

// Log collects what a process writes and lets tests wait for a line. Each line is
// parsed once: a shared process writes thousands, and each refusal asks for its own.
type Log struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each write
	read    int           // so much of text is in lines
	lines   []Line
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Snapshot returns the text so far, and a channel that is closed when there is
// more.
func (l *Log) Snapshot() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.text.String(), l.changed
}

// Line is one JSON line of the log.
type Line map[string]any

// Text returns a string member, or "".
func (l Line) Text(key string) string {
	s, _ := l[key].(string)
	return s
}

// parsed returns the JSON lines from the given one on, and a channel that is closed
// when there is more.
func (l *Log) parsed(from int) ([]Line, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	unread := l.text.Bytes()[l.read:]
	complete := unread[:bytes.LastIndexByte(unread, '\n')+1]
	l.read += len(complete)
	for text := range bytes.Lines(complete) {
		var line Line
		if json.Unmarshal(text, &line) == nil && line != nil {
			l.lines = append(l.lines, line)
		}
	}
	return l.lines[from:len(l.lines):len(l.lines)], l.changed
}

// WaitFor returns the first complete JSON line that matches, or fails the test.
// A line is written around the time of the answer, perhaps a moment after it.
func (l *Log) WaitFor(t testing.TB, what string, match func(Line) bool) Line {
	t.Helper()
	deadline := time.After(logTimeout)
	seen := 0
	for {
		lines, changed := l.parsed(seen)
		if i := slices.IndexFunc(lines, match); i >= 0 {
			return lines[i]
		}
		seen += len(lines)
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no log line: %s; the log ends\n%s", what, tail(l.String()))
		}
	}
}

// logTimeout is generous: it bounds a failure, not a speed.
const logTimeout = 30 * time.Second

// Decisions returns every decision line with that request id.
func (l *Log) Decisions(requestID string) []Line {
	return l.matching(func(line Line) bool {
		return line.Text("msg") == "decision" && line.Text("request_id") == requestID
	})
}

// All returns every line with that message so far.
func (l *Log) All(message string) []Line {
	return l.matching(func(line Line) bool { return line.Text("msg") == message })
}

func (l *Log) matching(match func(Line) bool) []Line {
	var found []Line
	lines, _ := l.parsed(0)
	for _, line := range lines {
		if match(line) {
			found = append(found, line)
		}
	}
	return found
}

func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}
