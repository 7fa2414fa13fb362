package proxy

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoundLooksAtWhoIsThere: whoever is on the list is looked at at each round,
// whoever has left it is not, and without anybody there is no timer.
func TestRoundLooksAtWhoIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []int
		r := round{interval: time.Second, first: time.Second, look: func(w *watch) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, int(w.interval))
		}}
		watches := make([]watch, 5)
		for i := range watches {
			watches[i].interval = time.Duration(i) // its number
		}
		after := func(change func(), want ...int) {
			t.Helper()
			change()
			<-time.After(time.Second) // of the test's own clock
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			defer func() { seen = nil }()
			slices.Sort(seen)
			if !slices.Equal(seen, want) {
				t.Errorf("looked at %v, want %v", seen, want)
			}
		}
		after(func() {
			for i := range watches {
				r.add(&watches[i])
			}
		}, 0, 1, 2, 3, 4)
		after(func() {}, 0, 1, 2, 3, 4)
		after(func() { r.remove(&watches[4]) }, 0, 1, 2, 3)
		after(func() { r.remove(&watches[0]) }, 1, 2, 3)
		after(func() { r.remove(&watches[2]) }, 1, 3)
		after(func() { r.remove(&watches[3]); r.remove(&watches[1]) })
		if r.set {
			t.Error("the timer goes on for nobody")
		}
		after(func() { r.add(&watches[2]) }, 2)
	})
}

// TestRoundWaitsForNobody: a look that does not come to its end holds up neither the
// others nor the next round.
func TestRoundWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck, free watch
		held, looks := make(chan struct{}), make(chan struct{}, 8)
		r := round{interval: time.Second, first: time.Second, look: func(w *watch) {
			if w == &stuck {
				<-held
				return
			}
			looks <- struct{}{}
		}}
		r.add(&free)
		r.add(&stuck)
		<-time.After(3 * time.Second) // of the test's own clock
		synctest.Wait()
		if len(looks) != 3 {
			t.Errorf("%d looks in three rounds", len(looks))
		}
		close(held)
		r.remove(&free)
		r.remove(&stuck)
	})
}

// TestRoundsComeOneAfterTheOther: everybody is looked at once in each interval, and
// not everybody at the same time.
func TestRoundsComeOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		looks, times := map[*watch]int{}, map[time.Time]bool{}
		var all rounds
		all.start(time.Second, func(w *watch) {
			mu.Lock()
			defer mu.Unlock()
			looks[w]++
			times[time.Now()] = true
		})
		watches := make([]watch, 200)
		for i := range watches {
			watches[i].round = all.pick()
			watches[i].round.add(&watches[i])
		}
		<-time.After(time.Second) // of the test's own clock
		synctest.Wait()
		for i := range watches {
			watches[i].round.remove(&watches[i])
			if n := looks[&watches[i]]; n != 1 {
				t.Errorf("%d looks within a second", n)
			}
		}
		if len(times) < 4 {
			t.Errorf("200 were looked at at %d moments", len(times))
		}
	})
}
