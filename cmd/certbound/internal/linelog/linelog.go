// Package linelog is the log of a process: one JSON object a line.
//
// A busy server allows thousands of requests a second, and a write to the kernel
// for each line costs more than checking the token it tells of. So lines that say
// that something went well are written together, at most [Delay] later. Whatever
// is above INFO (each refusal is) is written at once, with all that came before:
// the order is kept. A process that is killed loses the good news of the last
// moment from its log; what must not be lost is in the audit trail.
package linelog

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// Delay is how long a line may wait for others.
const Delay = 10 * time.Millisecond

// Log is a logger and the lines that wait.
type Log struct {
	*slog.Logger
	lines *lines
}

// New returns a log on w. Flush it at the end.
func New(w io.Writer) *Log {
	l := newLines(w)
	return &Log{slog.New(root{handler{slog.NewJSONHandler(l, nil), l}}), l}
}

// Flush writes what waits.
func (l *Log) Flush() { l.lines.flush() }

// handler writes at once what is above INFO.
type handler struct {
	slog.Handler
	lines *lines
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level > slog.LevelInfo {
		h.lines.flush()
	}
	return err
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.lines}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.lines}
}

// root is the handler nobody has given attributes to. It takes decisions, of which
// there is one for each request, without slog's record.
type root struct{ handler }

var _ decision.Handler = root{}

// HandleDecision writes the line that Handle would write.
func (h root) HandleDecision(_ context.Context, now time.Time, level slog.Level, d *decision.Decision) error {
	h.lines.add(head{now: now, level: level}, d)
	if level > slog.LevelInfo {
		h.lines.flush()
	}
	return nil
}
