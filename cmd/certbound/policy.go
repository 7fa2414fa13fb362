package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/policytest"
)

func (m *Main) policyCommand() *cobra.Command {
	output := cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	var proxyFile string
	test := &cobra.Command{
		Use:   "test FILE",
		Short: "Try the requests of a file on a proxy's configuration, offline",
		Long: `test sends the requests of FILE through the proxy of a configuration and compares
what it decides with what FILE expects. Proxy and verifier are the real ones; issuer,
certificates and upstreams are stand-ins. Nothing is listened on, asked or changed, and
of the files that the configuration names none is opened. Rates are not held. The exit
code is 3 when a case fails.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return m.policyTest(args[0], proxyFile, output.Value) },
	}
	test.Flags().StringVar(&proxyFile, "config", "", "the proxy's configuration file, in place of the one FILE names")
	must(test.MarkFlagFilename("config", "yaml", "yml"))
	outputFlag(test, &output)
	return group(&cobra.Command{Use: "policy", Short: "Work with what a proxy lets through"}, test)
}

func (m *Main) policyTest(file, proxyFile, output string) error {
	policy, err := config.LoadPolicy(file)
	if err != nil {
		return err
	}
	if proxyFile == "" {
		proxyFile = string(policy.Config)
	}
	if proxyFile == "" {
		return policy.Source.Problem("config", errors.New("required, here or as --config: the proxy's configuration"))
	}
	c, _, err := config.LoadProxy(proxyFile, m.Environ)
	if err != nil {
		return err
	}
	results, err := policytest.Run(policy, c)
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
	}
	if err := m.showPolicy(results, failed, output); err != nil || failed == 0 {
		return err
	}
	return cli.Exit(cli.Failed, fmt.Errorf("policy: %d of %d cases failed", failed, len(results)))
}

func (m *Main) showPolicy(results []policytest.Result, failed int, output string) error {
	if output == "json" {
		return cli.JSON(m.Stdout, map[string]any{"cases": results, "failed": failed})
	}
	for _, r := range results {
		if r.Passed {
			fmt.Fprintf(m.Stdout, "ok    %s: %s\n", r.Case, r.Seen)
			continue
		}
		fmt.Fprintf(m.Stdout, "FAIL  %s (%s)\n      expected %s\n      seen     %s\n", r.Case, r.At, r.Expected, r.Seen)
		if r.Detail != "" {
			fmt.Fprintf(m.Stdout, "      detail   %s\n", r.Detail)
		}
	}
	_, err := fmt.Fprintf(m.Stdout, "%d cases, %d failed\n", len(results), failed)
	return err
}
