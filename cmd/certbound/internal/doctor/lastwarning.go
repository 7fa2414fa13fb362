package doctor

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// lastWarning is a log of which only the last warning counts: why a follower does
// not get on.
type lastWarning struct{ text atomicText }

// atomicText is a text that one goroutine writes and another reads.
type atomicText struct{ value atomic.Value }

// Load returns the text, or "".
func (t *atomicText) Load() string {
	text, _ := t.value.Load().(string)
	return text
}

// Enabled is true from warnings on.
func (l *lastWarning) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle keeps the attributes that say why.
func (l *lastWarning) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" || a.Key == "detail" {
			l.text.value.Store("(" + a.Value.String() + ")")
		}
		return true
	})
	return nil
}

// WithAttrs leaves the attributes out: nobody looks at them.
func (l *lastWarning) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup does the same.
func (l *lastWarning) WithGroup(string) slog.Handler { return l }
