package authztest

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

// Log collects JSON log lines.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Text is all of it.
func (l *Log) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Decision is the one decision logged about the answer's request.
func (l *Log) Decision(t testing.TB, a Answer) map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(l.Text()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line is not JSON: %q", line)
		}
		if entry["msg"] == "decision" && entry["request_id"] == a.Header.Get("X-Request-Id") {
			found = append(found, entry)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d decisions logged for %d %q, want 1", len(found), a.Status, a.Body)
	}
	return found[0]
}
