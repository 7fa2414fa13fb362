package revoke

import "sync"

// Notifier wakes the followers that wait at the feed. The zero value is ready
// for use.
type Notifier struct {
	mu      sync.Mutex
	changed chan struct{}
}

// Notify tells everybody who waits that the feed may have grown. It is to be
// called after Store.Update has returned, never inside: they read at once. It
// does not block.
func (n *Notifier) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// next returns a channel that the next Notify closes. Ask for it before looking,
// or what is committed in between is missed.
func (n *Notifier) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}
