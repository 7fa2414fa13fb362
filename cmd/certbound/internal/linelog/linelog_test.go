package linelog

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/decision"
)

// sink counts the writes it gets.
type sink struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.text.Write(p)
}

func (s *sink) seen() (messages string, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.text.String()) {
		_, rest, _ := strings.Cut(line, `"msg":"`)
		message, _, _ := strings.Cut(rest, `"`)
		messages += message
	}
	return messages, s.writes
}

func TestGoodNewsIsWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		log := New(s)
		want := func(messages string, writes int) {
			t.Helper()
			if m, w := s.seen(); m != messages || w != writes {
				t.Errorf("%q in %d writes, want %q in %d", m, w, messages, writes)
			}
		}
		log.Info("a")
		log.With("k", "v").Info("b")
		want("", 0)
		<-time.After(Delay) // of the test's own clock
		synctest.Wait()
		want("ab", 1)
		log.Info("c")
		<-time.After(Delay)
		synctest.Wait()
		want("abc", 2)
		log.Info("d")
		log.WithGroup("g").Warn("e") // at once, and in order
		want("abcde", 3)
		<-time.After(Delay)
		synctest.Wait()
		want("abcde", 3)
		log.Info("f")
		log.Flush()
		want("abcdef", 4)
		for range enough - 1 {
			log.Info("g")
		}
		want("abcdef", 4)
		log.Info("h") // without waiting
		want("abcdef"+strings.Repeat("g", enough-1)+"h", 5)
	})
}

// TestDecisionIsAnotherLine: a decision looks as if slog had written it, is kept
// in order, and a refusal is written at once.
func TestDecisionIsAnotherLine(t *testing.T) {
	s := &sink{}
	log := New(s)
	d := &decision.Decision{RequestID: "id", Journey: decision.APIRequest}
	d.Evidence.Detail = "a \"quoted\" <detail>"
	d.Allow(200, time.Time{}.Add(time.Second))
	log.Info("a")
	d.Log(t.Context(), log.Logger)
	d.Log(t.Context(), log.With("k", "v"))
	if _, writes := s.seen(); writes != 0 {
		t.Errorf("good news was written at once")
	}
	d.Refuse(decision.TokenExpired, 401, time.Time{})
	d.Log(t.Context(), log.Logger)
	if m, writes := s.seen(); m != "adecisiondecisiondecision" || writes != 1 {
		t.Errorf("%q in %d writes", m, writes)
	}
	lines := strings.Split(strings.TrimSuffix(s.text.String(), "\n"), "\n")
	var direct, record map[string]any
	for text, into := range map[string]*map[string]any{lines[1]: &direct, lines[2]: &record} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if record["k"] != "v" {
		t.Errorf("an attribute of the logger is missing: %s", lines[2])
	}
	delete(record, "k")
	for _, line := range []map[string]any{direct, record} {
		if _, err := time.Parse(time.RFC3339Nano, line["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(line, "time")
	}
	if diff := cmp.Diff(record, direct); diff != "" {
		t.Errorf("(-slog +ours):\n%s", diff)
	}
	if !strings.Contains(lines[3], `"level":"WARN"`) {
		t.Errorf("a refusal is %s", lines[3])
	}
}

// TestDecisionIsTakenAsItWas: what becomes of a decision after it was logged is
// not in its line, and whatever is logged at once by many is whole and there once.
func TestDecisionIsTakenAsItWas(t *testing.T) {
	s := &sink{}
	log := New(s)
	const each = 3*enough + 1
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range each {
				d := &decision.Decision{RequestID: fmt.Sprintf("%d.%d", worker, i), Journey: decision.APIRequest}
				d.Allow(200, time.Time{})
				d.Log(t.Context(), log.Logger)
				d.RequestID = "changed"
			}
		})
	}
	all.Wait()
	log.Flush()
	last := map[string]int{}
	for line := range strings.Lines(s.text.String()) {
		var got struct {
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		worker, number, _ := strings.Cut(got.RequestID, ".")
		if n, err := strconv.Atoi(number); err != nil || n != last[worker] {
			t.Fatalf("line %q of worker %s came when it had written %d", number, worker, last[worker])
		}
		last[worker]++
	}
	for worker := range 8 {
		if n := last[strconv.Itoa(worker)]; n != each {
			t.Errorf("%d lines of worker %d, want %d", n, worker, each)
		}
	}
}

func BenchmarkInfo(b *testing.B) {
	log := New(&sink{})
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "decision", slog.String("request_id", "00000000000000000000000000000000"))
	}
}
