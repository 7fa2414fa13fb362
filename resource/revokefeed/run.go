package revokefeed

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// firstRetry and lastRetry bound the pause after failures. The last is short:
	// a resource server that has been stale refuses everybody, and must be back
	// soon after its authorization server is.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second

	// pace is the least time from one poll to the next. It lets a burst of
	// revocations come in one answer, and holds against a server that does not
	// wait when it is asked to.
	pace = 100 * time.Millisecond

	// logEvery bounds the lines of one long failure.
	logEvery = 30 * time.Second
)

// Run follows the feed until ctx ends, and returns nil then. It may run once at
// a time.
func (f *Follower) Run(ctx context.Context) error {
	if !f.running.CompareAndSwap(false, true) {
		return errors.New("revokefeed: Run is running already")
	}
	defer f.running.Store(false)
	for ctx.Err() == nil {
		started := time.Now() // like the timers; the clock is for what is compared with the feed
		err := f.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // an attempt that we broke off ourselves is no failure
		case err != nil:
			f.failed(ctx, err)
			sleep(ctx, backoff(f.failures))
		case f.draft == nil: // otherwise there is more to fetch, at once
			f.succeeded(ctx)
			sleep(ctx, pace-time.Since(started))
		}
	}
	return nil
}

func (f *Follower) failed(ctx context.Context, err error) {
	f.failures++
	f.lastError.Store(&err)
	// What is idle may be a connection to somewhere that is gone.
	f.client.CloseIdleConnections()
	now := time.Now()
	if f.failures > 1 && now.Sub(f.logged) < logEvery {
		return
	}
	f.logged = now
	level := slog.LevelWarn
	if errors.Is(err, ErrRollback) {
		level = slog.LevelError
	}
	f.logger.LogAttrs(ctx, level, "revocations_poll_failed",
		slog.String("issuer", f.issuer), slog.String("error", err.Error()),
		slog.Int("failures", f.failures), slog.Int64("seq", f.Seq()))
}

func (f *Follower) succeeded(ctx context.Context) {
	f.lastError.Store(nil)
	if f.failures > 0 {
		f.logger.LogAttrs(ctx, slog.LevelInfo, "revocations_poll_recovered",
			slog.String("issuer", f.issuer), slog.Int("failures", f.failures), slog.Int64("seq", f.Seq()))
	}
	f.failures = 0
}

// backoff doubles up to lastRetry and takes half of it by chance, so that many
// resource servers do not come back at one moment.
func backoff(failures int) time.Duration {
	d := min(firstRetry<<min(failures-1, 10), lastRetry)
	return d/2 + rand.N(d/2)
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
