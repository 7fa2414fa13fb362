package decision

import (
	"context"
	"log/slog"
)

// Sink is where the decisions of one half go: each is one line of the log, and
// then heard by whoever counts.
type Sink struct {
	Logger *slog.Logger
	// Observe is called for each decision, exactly once, right after it was logged
	// and before the answer leaves. It runs within the request and by many
	// goroutines at once, so it must not block, and it must not keep the decision.
	// nil: nobody listens.
	Observe func(*Decision)
}

// Put logs a decision that has ended and lets it be observed.
func (s Sink) Put(ctx context.Context, d *Decision) {
	d.Log(ctx, s.Logger)
	if s.Observe != nil {
		s.Observe(d)
	}
}
