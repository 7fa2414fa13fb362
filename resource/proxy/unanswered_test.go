package proxy

import (
	"testing"
	"time"
)

// TestUnanswered: an upstream is waited for from the end of the request, however
// long that has taken, to the beginning of its answer.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	var w watch
	expect := func(when string, age, want time.Duration) {
		t.Helper()
		if got := w.unanswered(age); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	expect("no body", time.Minute, time.Minute)
	w.sent.Store(-1)
	expect("a body that has not ended", time.Hour, 0)
	w.sent.Store(int64(time.Hour))
	expect("a body that has", time.Hour+time.Minute, time.Minute)
	w.begin()
	expect("an answer that has begun", 2*time.Hour, 0)
}
