package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

func (m *Main) serveCommand() *cobra.Command {
	var file, administrator string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the authorization server",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return m.serve(cmd.Context(), file, administrator) },
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&administrator, "bootstrap-admin", "", "certificate (PEM) of the first administrator, client id admin; once in the life of a database")
	return cmd
}

// configFlag adds the required --config.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration file (YAML)")
	must(cmd.MarkFlagRequired("config"))
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
}

// must stops the program over a fault of its own command tree.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (m *Main) serve(ctx context.Context, file, administrator string) (err error) {
	logger := m.logger()
	var authz *process.Authz
	c, reloads, release, err := configured(ctx, logger, m, file, config.LoadServe, func(ctx context.Context, c *config.Serve) ([]string, error) { return authz.Reload(ctx, c) })
	if err != nil {
		return err
	}
	defer release()
	metrics := newMetrics(reloads)
	options := process.Options{Logger: logger, Metrics: metrics}
	if administrator != "" {
		certificate, err := readCertificate(administrator)
		if err != nil {
			return err
		}
		options.Administrator = &process.Administrator{ClientID: "admin", PartnerID: "operators", Certificate: certificate}
	}
	authz, err = process.NewAuthz(ctx, c, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, authz.Close()) }()
	process.ReserveHeap(process.AuthzReserve)
	process.SampleHeap(c.Ops.Profiles)
	group := &process.Group{Logger: logger, Metrics: metrics}
	defer group.Close()
	if err := group.Listen(ctx, "authz", c.Listen, authz.Server); err != nil {
		return c.Source.Problem("listen", err)
	}
	if c.Admin.Listen != "" {
		if err := group.Listen(ctx, "admin", c.Admin.Listen, authz.Admin); err != nil {
			return c.Source.Problem("admin.listen", err)
		}
	}
	if c.Ops.Listen != "" {
		handler := ops.Handler(metrics, append(authz.Checks, reloadCheck(reloads), ops.Check{Name: "process", Probe: group.Ready})...)
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
