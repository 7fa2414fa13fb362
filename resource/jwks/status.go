package jwks

import "time"

// Status is what an operator watches of a Remote.
type Status struct {
	Fetched  time.Time // when the set in use was fetched; zero before the first
	Fetches  int64     // fetches since the start, good or bad
	Failures int64     // those that failed
}

// Status returns how old the set is, and how fetching it has gone.
func (r *Remote) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.counts
	if r.current != nil {
		s.Fetched = r.current.fetched
	}
	return s
}
