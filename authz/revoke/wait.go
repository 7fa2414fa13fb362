package revoke

import (
	"context"
	"net/http"
	"time"
)

const (
	// maxWaiting bounds the followers that wait: each holds a request. One more is
	// answered at once and comes back by its own pace, so it loses seconds and not
	// its state.
	maxWaiting = 512

	// pollEvery is how often the database is asked what other instances have
	// committed: a revocation is to hold everywhere within a second.
	pollEvery = 500 * time.Millisecond

	// answering is the time to send an answer after the longest wait.
	answering = 30 * time.Second
)

// wait returns when the feed is at another number than q.after, or the wait is
// over, or the endpoint is closed. It reports whether any time has passed.
func (f *Feed) wait(ctx context.Context, w http.ResponseWriter, q question) (waited bool, err error) {
	if q.wait == 0 {
		return false, nil
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	default:
		return false, nil
	}
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	for {
		changed := f.Notifier.next()
		// Another number, not a greater one: a follower that is ahead has to hear that
		// we have gone back.
		if seq, err := f.seq(ctx); err != nil || seq != q.after {
			return waited, err
		}
		if !waited {
			postponeDeadlines(w, q.wait)
		}
		waited = true
		select {
		case <-changed:
		case <-timer.C:
			return true, nil
		case <-f.closed:
			return true, nil
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

// postponeDeadlines keeps the listener's timeouts, which are made for short
// requests, from ending a wait: over HTTP/1.1 a passed read deadline cancels the
// request even when there is nothing left to read. A writer without deadlines has
// none to postpone.
func postponeDeadlines(w http.ResponseWriter, wait time.Duration) {
	deadline := time.Now().Add(wait + answering) // the network's time, not the injected one
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(deadline)
	_ = c.SetWriteDeadline(deadline)
}

func (f *Feed) seq(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	return f.Records.FeedSeq(ctx)
}

// Run watches for what other instances commit, until ctx ends; then it closes
// the endpoint. One question to the database serves all followers, and none is
// asked while nobody waits.
func (f *Feed) Run(ctx context.Context) {
	defer f.Close()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var last int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if f.Waiting() == 0 {
			continue
		}
		// A failure is not reported here: each follower meets it when its wait is over.
		if seq, err := f.seq(ctx); err == nil && seq != last {
			last = seq
			f.Notifier.Notify()
		}
	}
}

// Close answers everybody who waits, and lets nobody wait any more: a listener
// that drains would wait for them. It may be called more than once.
func (f *Feed) Close() { f.close() }

// Waiting is the number of followers that wait now.
func (f *Feed) Waiting() int { return len(f.slots) }
