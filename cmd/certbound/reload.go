package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/cmd/certbound/internal/reload"
)

// newReloads makes the reloader of a process before its configuration is read.
// From here on SIGHUP reloads and does not end the process, until release.
func newReloads(logger *slog.Logger, file string, apply func(context.Context, func(...string)) ([]string, error)) (reloads *reload.Reloader, release func()) {
	hangup := make(chan os.Signal, 1) // one more than is under way is enough: it reads everything
	signal.Notify(hangup, syscall.SIGHUP)
	return reload.New(reload.Config{File: file, Apply: apply, Hangup: hangup, Logger: logger}), func() { signal.Stop(hangup) }
}

// configured reads the configuration of a process, and has it read again and applied
// at each reload. Until release SIGHUP reloads and does not end the process.
func configured[C interface{ Files() []string }](ctx context.Context, logger *slog.Logger, m *Main, file string, load func(string, []string) (C, config.Loaded, error), apply func(context.Context, C) ([]string, error)) (c C, reloads *reload.Reloader, release func(), err error) {
	reloads, release = newReloads(logger, file, func(ctx context.Context, note func(...string)) ([]string, error) {
		c, _, err := load(file, m.Environ)
		if err != nil {
			return nil, err
		}
		note(c.Files()...)
		return apply(ctx, c)
	})
	c, loaded, err := load(file, m.Environ)
	if err != nil {
		release()
		return c, nil, nil, err
	}
	reloads.Note(c.Files()...)
	warnUnused(ctx, logger, loaded.Unused)
	return c, reloads, release, nil
}

// newMetrics makes the metrics of a process that reloads.
func newMetrics(r *reload.Reloader) *ops.Metrics {
	metrics := buildMetrics()
	metrics.ShowReloads(r)
	return metrics
}

// reloadCheck shows a failed reload in /readyz?verbose. The status stays as it is:
// the configuration that worked is in force, and taking the process out of service
// would turn a mistyped line into an outage.
func reloadCheck(r *reload.Reloader) ops.Check {
	return ops.Check{Name: "reload", Probe: r.Probe, Advisory: true}
}
