package ratelimit_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/ratelimit"
)

func newLimiter(t testing.TB, c ratelimit.Config) *ratelimit.Limiter[string] {
	t.Helper()
	l, err := ratelimit.New[string](c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Requests: 60, Per: time.Minute, Burst: 2})
	for i, step := range []struct {
		after time.Duration
		name  string
		wait  time.Duration
	}{
		{0, "a", 0}, {0, "a", 0}, {0, "a", time.Second}, {0, "a", time.Second}, // what was refused is not counted
		{0, "b", 0}, // another's bucket
		{500 * time.Millisecond, "a", 500 * time.Millisecond},
		{time.Second, "a", 0}, {time.Second, "a", time.Second},
		{time.Hour, "a", 0}, {time.Hour, "a", 0}, {time.Hour, "a", time.Second}, // no more than the burst is saved
	} {
		if _, wait := l.Take(start.Add(step.after), step.name); wait != step.wait {
			t.Errorf("step %d: wait %v, want %v", i, wait, step.wait)
		}
	}
}

func TestReturn(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Requests: 1, Per: time.Second})
	for range 3 {
		taken, wait := l.Take(start, "a")
		if wait != 0 {
			t.Fatalf("wait %v", wait)
		}
		taken.Return()
	}
}

// TestBounded: the bucket that goes is the one not asked for the longest time.
func TestBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Requests: 1, Per: time.Hour, MaxNames: 2})
	for _, step := range []struct {
		name   string
		passes bool
	}{{"a", true}, {"b", true}, {"a", false}, {"c", true}, {"a", false}, {"b", true}} {
		if _, wait := l.Take(start, step.name); (wait == 0) != step.passes {
			t.Errorf("%s: wait %v", step.name, wait)
		}
		if l.Names() > 2 {
			t.Errorf("%d names", l.Names())
		}
	}
}

// TestMemory: a quarter of a million names leaves what a hundred thousand need.
func TestMemory(t *testing.T) {
	l := newLimiter(t, ratelimit.Config{Requests: 1, Per: time.Hour})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 250_000 {
		l.Take(start, fmt.Sprintf("client-%d", i))
	}
	after := heap()
	if l.Names() != ratelimit.MaxNames || after > before && after-before > 64<<20 {
		t.Errorf("%d names in %d bytes", l.Names(), after-before)
	}
	runtime.KeepAlive(l)
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Requests: 100, Per: time.Hour, MaxNames: 4})
	var passed atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if _, wait := l.Take(start, "a"); wait == 0 {
					passed.Add(1)
				}
			}
		})
	}
	group.Wait()
	if passed.Load() != 100 {
		t.Errorf("%d passed", passed.Load())
	}
}

// TestRefusedAtOnce: however many are refused at the same moment, none of them is
// counted, and the name is open again when it would be without them.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Requests: 1, Per: time.Second})
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for range 1000 {
				l.Take(start, "a")
			}
		})
	}
	group.Wait()
	if _, wait := l.Take(start, "a"); wait != time.Second {
		t.Errorf("wait %v", wait)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []ratelimit.Config{
		{}, {Requests: 1}, {Per: 1}, {Requests: -1, Per: 1}, {Requests: 1, Per: 1, Burst: -1},
		{Requests: 1, Per: 1, MaxNames: -1}, {Requests: 1, Per: 1, MaxNames: ratelimit.MaxNames + 1},
	} {
		if _, err := ratelimit.New[string](c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	l := newLimiter(b, ratelimit.Config{Requests: 1_000_000, Per: time.Second})
	b.ReportAllocs()
	for b.Loop() {
		l.Take(start, "client")
	}
}
