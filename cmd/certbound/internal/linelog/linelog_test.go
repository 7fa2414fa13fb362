package linelog

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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
		log.Info("g", slog.String("long", strings.Repeat("x", enough)))
		want("abcdefg", 5)
	})
}

func BenchmarkInfo(b *testing.B) {
	log := New(&sink{})
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "decision", slog.String("request_id", "00000000000000000000000000000000"))
	}
}
