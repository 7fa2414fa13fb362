package proxy

import (
	"sync"
	"time"
)

// round looks at many exchanges by one timer. Most are over before it comes round:
// a timer for each would cost them more than their place in the list does.
type round struct {
	interval time.Duration
	look     func(*watch)

	mu    sync.Mutex
	first *watch
	timer *time.Timer
	set   bool // the timer is; it is not while there is nothing to look at
}

// add puts an exchange on the list; it is looked at within one interval.
func (r *round) add(w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.next = r.first; w.next != nil {
		w.next.previous = w
	}
	r.first = w
	switch {
	case r.set:
		return
	case r.timer == nil:
		r.timer = time.AfterFunc(r.interval, r.begin)
	default:
		r.timer.Reset(r.interval)
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
		r.first = w.next
	}
	w.previous, w.next = nil, nil
}

// begin goes round once. Nobody waits for another's look, which may have to close
// the connection of a caller who does not read; and who leaves the list meanwhile
// may be looked at once more.
func (r *round) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := r.first; w != nil; w = w.next {
		go r.look(w)
	}
	if r.set = r.first != nil; r.set {
		r.timer.Reset(r.interval)
	}
}
