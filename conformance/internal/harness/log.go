package harness

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// Log collects what a process writes and lets tests wait for a line.
type Log struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each write
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

// WaitFor returns the first complete JSON line that matches, or fails the test.
// A line is written around the time of the answer, perhaps a moment after it.
func (l *Log) WaitFor(t testing.TB, what string, match func(Line) bool) Line {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		text, changed := l.Snapshot()
		for line := range strings.Lines(text) {
			if found, ok := parseLine(line); ok && match(found) {
				return found
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no log line: %s; the log ends\n%s", what, tail(text))
		}
	}
}

func parseLine(line string) (Line, bool) {
	var parsed Line
	if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &parsed) != nil {
		return nil, false
	}
	return parsed, true
}

// Decisions returns every decision line with that request id.
func (l *Log) Decisions(requestID string) []Line {
	var all []Line
	for line := range strings.Lines(l.String()) {
		if parsed, ok := parseLine(line); ok && parsed.Text("msg") == "decision" && parsed.Text("request_id") == requestID {
			all = append(all, parsed)
		}
	}
	return all
}

func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}

// All returns every line with that message so far.
func (l *Log) All(message string) []Line {
	var all []Line
	for line := range strings.Lines(l.String()) {
		if parsed, ok := parseLine(line); ok && parsed.Text("msg") == message {
			all = append(all, parsed)
		}
	}
	return all
}
