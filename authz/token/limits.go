package token

import (
	"context"
	"sync/atomic"
	"time"
)

// storageTimeout bounds what one request waits for the database. With a disk
// that hangs, the requests beyond the pool's connections are refused with
// storage_unavailable instead of piling up.
const storageTimeout = 5 * time.Second

// sharedFor is how long requests begin that share a limit; the first of them waits
// as much longer.
const sharedFor = 100 * time.Millisecond

// limits hands out contexts that end storageTimeout from now, or [sharedFor] later.
// A timer for each request, of which hardly one ever waits for the database, cost
// more than looking up its client. A caller who leaves ends nothing: what was begun
// for him is decided, recorded and answered as for anybody.
type limits struct{ current atomic.Pointer[limit] }

type limit struct {
	ctx    context.Context
	cancel context.CancelFunc // of no use: requests share the context, and it ends soon
	until  time.Time          // requests begin with it
}

func (l *limits) now() context.Context {
	now := time.Now()
	held := l.current.Load()
	if held != nil && now.Before(held.until) {
		return held.ctx
	}
	fresh := &limit{until: now.Add(sharedFor)}
	fresh.ctx, fresh.cancel = context.WithTimeout(context.Background(), storageTimeout+sharedFor)
	l.current.Store(fresh) // two at once make two, which is as good
	return fresh.ctx
}
