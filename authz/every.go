package authz

import (
	"context"
	"log/slog"
	"time"
)

// every runs do at an interval, first after one, until ctx ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}

// attempt is do for work that the next round tries again: its failure is logged, unless
// it is that the server stops.
func (s *Server) attempt(message string, do func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			s.logger.LogAttrs(ctx, slog.LevelWarn, message, slog.String("detail", err.Error()))
		}
	}
}
