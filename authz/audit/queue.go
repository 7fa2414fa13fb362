package audit

import (
	"sync"

	"github.com/certbound/certbound/storage"
)

// pending is an event that waits for its commit.
type pending struct {
	event        storage.AuditEvent
	registration int64 // version it rests on; 0 is any
	err          error // how it ended; to be read once its crowd is done
}

// crowd is the events that share a commit, and those who wait for it: one wake-up
// is for all of them.
type crowd struct {
	pending []*pending
	done    chan struct{} // closed when each of them has ended
}

// queue holds what waits for a commit, in crowds.
type queue struct {
	crowdSize, capacity int // events

	// wake has something in it when as many wait as are wanted.
	wake chan struct{}

	mu      sync.Mutex
	crowds  []*crowd // the last one takes newcomers while there is room
	waiting int      // events in them
	wanted  int
	closed  bool
}

func newQueue(crowdSize, capacity int) *queue {
	return &queue{crowdSize: crowdSize, capacity: capacity, wake: make(chan struct{}, 1), wanted: 1}
}

// add lets an event wait and returns the crowd it is in. When the queue is full it
// returns the crowd after which there is room, and false.
func (q *queue) add(p *pending) (c *crowd, added bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, false, errStopped
	case q.waiting >= q.capacity:
		return q.crowds[0], false, nil
	}
	if n := len(q.crowds); n > 0 && len(q.crowds[n-1].pending) < q.crowdSize {
		c = q.crowds[n-1]
	} else {
		c = &crowd{pending: make([]*pending, 0, 16), done: make(chan struct{})}
		q.crowds = append(q.crowds, c)
	}
	c.pending = append(c.pending, p)
	q.waiting++
	q.signal()
	return c, true, nil
}

// take returns the crowd that has waited longest, or nil.
func (q *queue) take() *crowd {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.crowds) == 0 {
		return nil
	}
	c := q.crowds[0]
	q.crowds[0] = nil
	q.crowds = q.crowds[1:]
	q.waiting -= len(c.pending)
	q.signal()
	return c
}

// signal is called with the lock held.
func (q *queue) signal() {
	if q.waiting > 0 && q.waiting >= q.wanted {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// want lets wake tell when n events wait. It reports whether they do already.
func (q *queue) want(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = n
	if q.waiting >= n {
		return true
	}
	select { // said of fewer
	case <-q.wake:
	default:
	}
	return false
}

// length is how many events wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// close lets nobody in any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
