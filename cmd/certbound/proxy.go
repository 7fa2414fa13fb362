package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

func (m *Main) proxyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "proxy --config FILE",
		Short: "Run the resource-server proxy in front of an API",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return m.proxy(cmd.Context(), file) },
	}
	configFlag(cmd, &file)
	return cmd
}

func (m *Main) proxy(ctx context.Context, file string) error {
	logger := m.logger()
	var proxy *process.Proxy
	c, reloads, release, err := configured(ctx, logger, m, file, config.LoadProxy, func(ctx context.Context, c *config.Proxy) ([]string, error) { return proxy.Reload(ctx, c) })
	if err != nil {
		return err
	}
	defer release()
	metrics := newMetrics(reloads)
	proxy, err = process.NewProxy(c, process.Options{Logger: logger, Metrics: metrics})
	if err != nil {
		return err
	}
	defer proxy.Close()
	process.ReserveHeap(process.ProxyReserve)
	process.SampleHeap(c.Ops.Profiles)
	group := &process.Group{Logger: logger, Metrics: metrics}
	defer group.Close()
	if err := group.Listen(ctx, "proxy", c.Listen, proxy.Server); err != nil {
		return c.Source.Problem("listen", err)
	}
	if c.Ops.Listen != "" {
		// Nothing to check but that we are not stopping: without the issuer's keys the proxy still refuses
		// what it must, and taking every proxy out of service because the
		// authorization server is away would only make the outage larger.
		handler := ops.Handler(metrics, reloadCheck(reloads), ops.Check{Name: "process", Probe: group.Ready})
		if c.Ops.Profiles {
			handler = ops.WithProfiles(handler)
		}
		probes := process.PlainServer(handler, logger)
		if err := group.Listen(ctx, "ops", ops.Address(c.Ops.Listen), probes); err != nil {
			return c.Source.Problem("ops.listen", err)
		}
	}
	defer reloads.Start(ctx)()
	return group.Run(ctx)
}
