package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/health"
)

// Bounds of --timeout.
const (
	defaultHealthTimeout = 5 * time.Second
	maxHealthTimeout     = time.Minute
)

type healthcheckFlags struct {
	config        string
	probe, output cli.OneOf
	timeout       time.Duration
}

func (m *Main) healthcheckCommand() *cobra.Command {
	f := healthcheckFlags{
		probe:  cli.OneOf{Value: string(health.Ready), Allowed: []string{string(health.Ready), string(health.Live)}},
		output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}},
	}
	cmd := &cobra.Command{
		Use:   "healthcheck --config FILE",
		Short: "Ask the serve or proxy that runs on this machine whether it is well",
		Long: `healthcheck asks the process that FILE configures, by loopback where it listens at
every address: at its ops listener when it has one (/readyz, or /livez with --probe
live), else at its public listener, for a page that needs no client certificate. Over
TLS it trusts exactly the certificate that FILE names. Without an ops listener it
hears nothing of the database and the keys.

Run it with the environment of the process. It needs no key, and changes nothing. A
file that is not valid any more does not matter as long as it says where to ask.

It ends with 0 when the process is well, with 3 when it says that it is not, with 2
when it does not answer, with 1 when FILE does not say where to ask.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.healthcheck(cmd.Context(), &f) },
	}
	configFlag(cmd, &f.config)
	flags := cmd.Flags()
	flags.Var(&f.probe, "probe", "whether it can do its work, or whether it answers at all")
	must(cmd.RegisterFlagCompletionFunc("probe", cobra.FixedCompletions(f.probe.Allowed, cobra.ShellCompDirectiveNoFileComp)))
	flags.DurationVar(&f.timeout, "timeout", defaultHealthTimeout, "how long it may take altogether, at most 1m")
	outputFlag(cmd, &f.output)
	return cmd
}

func (m *Main) healthcheck(ctx context.Context, f *healthcheckFlags) error {
	if f.timeout <= 0 || f.timeout > maxHealthTimeout {
		return fmt.Errorf("healthcheck: --timeout %s is not above 0 and up to %s", f.timeout, maxHealthTimeout)
	}
	report, err := health.Run(ctx, health.Config{File: f.config, Environ: m.Environ, Probe: health.Probe(f.probe.Value), Timeout: f.timeout})
	if err != nil {
		return err
	}
	if report.Outdated {
		m.say("certbound: warning: %s is not valid any more; see certbound config validate", f.config)
	}
	switch {
	case f.output.Value == "json":
		err = cli.JSON(m.Stdout, report)
	case report.Healthy:
		err = m.sayHealthy(report)
	}
	return errors.Join(err, unhealthy(report))
}

func (m *Main) sayHealthy(r *health.Report) error {
	word := string(r.Probe)
	if r.Listener != "ops" {
		word = "answering"
	}
	if _, err := fmt.Fprintf(m.Stdout, "%s is %s: %s\n", r.Process, word, cli.Plain(r.URL)); err != nil {
		return err
	}
	for _, check := range r.Checks {
		if check.State != health.Degraded {
			continue
		}
		if _, err := fmt.Fprintf(m.Stdout, "degraded: %s: %s\n", cli.Plain(check.Name), cli.Plain(check.Detail)); err != nil {
			return err
		}
	}
	return nil
}

// unhealthy is nil for a process that is well.
func unhealthy(r *health.Report) error {
	switch {
	case r.Healthy:
		return nil
	case r.Status == 0:
		return cli.Exit(cli.Refused, fmt.Errorf("healthcheck: %s does not answer at %s: %s", r.Process, r.URL, cli.Plain(r.Reason)))
	}
	return cli.Exit(cli.Failed, fmt.Errorf("healthcheck: %s is not %s: %s (%s)", r.Process, r.Probe, cli.Plain(strings.ReplaceAll(r.Reason, "\n", "; ")), r.URL))
}
