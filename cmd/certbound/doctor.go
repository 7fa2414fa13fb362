package main

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/doctor"
)

type doctorFlags struct {
	config, ca string
	strict     bool
	output     cli.OneOf
}

func (m *Main) doctorCommand() *cobra.Command {
	f := doctorFlags{output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}}
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "Examine an installation: configuration, clocks, certificates, keys, database, issuer, upstreams",
		Long: `doctor looks at what the configuration of serve or proxy leads to, from where it
runs: run it on the machine, as the user and with the environment of the process.
Every finding says what was found, why it matters and how to fix it. It changes
nothing; it makes a GET to the issuer and to each upstream, and reads the
revocation feed once.

It ends with 0 when there is no problem, with 3 when there is one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.doctor(cmd.Context(), &f) },
	}
	configFlag(cmd, &f.config)
	flags := cmd.Flags()
	flags.StringVar(&f.ca, "ca", "", "for serve: roots that clients check its certificate against (PEM); default the system's")
	flags.BoolVar(&f.strict, "strict", false, "warnings count as problems")
	outputFlag(cmd, &f.output)
	fileFlags(cmd, []string{"pem", "crt"}, "ca")
	return cmd
}

func (m *Main) doctor(ctx context.Context, f *doctorFlags) error {
	var roots *x509.CertPool
	if f.ca != "" {
		var err error
		if roots, err = config.ReadRoots(config.Path(f.ca)); err != nil {
			return err
		}
	}
	report, err := doctor.Run(ctx, doctor.Config{File: f.config, Environ: m.Environ, Roots: roots})
	if err != nil {
		return err
	}
	if f.output.Value == "json" {
		err = cli.JSON(m.Stdout, report)
	} else {
		err = report.Text(m.Stdout)
	}
	if err == nil && (report.Problems > 0 || f.strict && report.Warnings > 0) {
		err = cli.Exit(cli.Failed, fmt.Errorf("doctor: %d problems, %d warnings", report.Problems, report.Warnings))
	}
	return err
}
