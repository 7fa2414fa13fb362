package decision_test

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// TestRequestIDsAreDistinct: ids are cut from blocks, and no block is cut twice.
func TestRequestIDsAreDistinct(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
		wg   sync.WaitGroup
	)
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				id := decision.NewRequestID(time.Now())
				mu.Lock()
				if seen[id] || !form.MatchString(id) {
					t.Errorf("id %q", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func BenchmarkNewRequestID(b *testing.B) {
	b.ReportAllocs()
	now := time.Now()
	for b.Loop() {
		decision.NewRequestID(now)
	}
}
