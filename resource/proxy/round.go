package proxy

import (
	"math/rand/v2"
	"sync"
	"time"
)

// rounds share the exchanges out among them and come round one after the other, so
// that a proxy of many streams has not to look at all of them at one moment.
type rounds [16]round

// start says how often, and what is done with each exchange.
func (all *rounds) start(interval time.Duration, look func(*watch)) {
	for i := range all {
		all[i].interval, all[i].look = interval, look
		all[i].first = interval * time.Duration(i+1) / time.Duration(len(all))
	}
}

// pick returns one of them.
func (all *rounds) pick() *round { return &all[rand.IntN(len(all))] }

// round looks at many exchanges by one timer. Most are over before it comes round:
// a timer for each would cost them more than their place in the list does.
type round struct {
	interval time.Duration
	first    time.Duration // how long after it has begun, at most an interval
	look     func(*watch)

	mu    sync.Mutex
	head  *watch
	timer *time.Timer
	set   bool // the timer is; it is not while there is nothing to look at
}

// add puts an exchange on the list; it is looked at within one interval.
func (r *round) add(w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.next = r.head; w.next != nil {
		w.next.previous = w
	}
	r.head = w
	switch {
	case r.set:
		return
	case r.timer == nil:
		r.timer = time.AfterFunc(r.first, r.begin)
	default:
		r.timer.Reset(r.first)
	}
	r.set = true
}

// remove takes it off again.
func (r *round) remove(w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.next != nil {
		w.next.previous = w.previous
	}
	if w.previous != nil {
		w.previous.next = w.next
	} else {
		r.head = w.next
	}
	w.previous, w.next = nil, nil
}

// begin goes round once. Nobody waits for another's look, which may have to close
// the connection of a caller who does not read; and who leaves the list meanwhile
// may be looked at once more.
func (r *round) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := r.head; w != nil; w = w.next {
		go r.look(w)
	}
	if r.set = r.head != nil; r.set {
		r.timer.Reset(r.interval)
	}
}
