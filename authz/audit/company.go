package audit

import "time"

// longestWait bounds what an event waits for others to share its commit with.
const longestWait = 12 * time.Millisecond

// patience is what a commit saved is worth in waiting, as a multiple of what it takes.
const patience = 16

// company is what a commit may expect of others. Making one event durable costs
// nearly as much as making twenty, so on a busy server it is worth a moment to wait
// for those who were here just now and are likely to be back: [patience] times as
// long as the commit before took, and [longestWait] at most. The wait ends when as
// many have come, and who is alone does not wait.
// PostgreSQL's commit_delay and commit_siblings are the same idea.
type company struct {
	expected int // events
	wait     time.Duration
	timer    *time.Timer
}

// met notes how many events shared a commit, who has come meanwhile, and how long
// it took.
func (c *company) met(shared int, q *queue, took time.Duration) {
	c.expected, c.wait = min(shared+q.length(), q.crowdSize), min(patience*took, longestWait)
}

// gather returns when as many wait as are expected, or not for long.
func (c *company) gather(q *queue) {
	if c.expected < 2 || c.wait <= 0 || q.want(c.expected) {
		q.want(1)
		return
	}
	if c.timer == nil {
		c.timer = time.NewTimer(c.wait)
	} else {
		c.timer.Reset(c.wait)
	}
	select {
	case <-q.wake:
	case <-c.timer.C:
	}
	c.timer.Stop()
	q.want(1)
}
