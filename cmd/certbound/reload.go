package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

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
