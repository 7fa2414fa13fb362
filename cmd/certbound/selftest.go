package main

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/selftest"
)

type selftestFlags struct {
	config              selftest.Config
	cert, key, ca       string
	otherCert, otherKey string
	output              cli.OneOf
}

func (m *Main) selftestCommand() *cobra.Command {
	f := selftestFlags{output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}}
	cmd := &cobra.Command{
		Use:   "selftest --issuer URL --proxy URL --client-id ID --cert FILE --key FILE",
		Short: "Attack a running deployment the way a thief would, and report what was not refused",
		Long: `selftest first makes the good calls: the client gets a token and reads --path with
it. Then it tries what must be refused: the token in other hands, forged
certificates and tokens, ambiguous requests, old TLS. It obtains tokens for this
client, changes nothing else, and makes at most 200 requests within 3 minutes; the
refusals stand in the logs and in the audit of the deployment, and one probe puts
its short-lived, bound token into a query. Ask the operator first. What needs
waiting, such as whether exp is looked at, is not tried.

It ends with 0 when everything was refused, with 3 when something was not or the
answer was unclear, with 2 when the good calls fail: then nothing was tested.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.selftest(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config.Issuer, "issuer", "", "issuer URL")
	flags.StringVar(&f.config.Proxy, "proxy", "", "URL of the proxy, or of any resource server")
	flags.StringVar(&f.config.Path, "path", "/accounts", "what the client may GET there")
	flags.StringVar(&f.config.ClientID, "client-id", "", "client_id of the certificate")
	flags.StringVar(&f.config.Resource, "resource", "", "API to ask a token for (RFC 8707)")
	flags.StringVar(&f.cert, "cert", "", "client certificate (PEM), followed by its intermediates")
	flags.StringVar(&f.key, "key", "", "private key of the certificate (PEM)")
	flags.StringVar(&f.ca, "ca", "", "roots that sign the servers' certificates (PEM); default the system's")
	flags.StringVar(&f.otherCert, "other-cert", "", "certificate of another client, for more probes (PEM)")
	flags.StringVar(&f.otherKey, "other-key", "", "private key of that certificate (PEM)")
	outputFlag(cmd, &f.output)
	fileFlags(cmd, []string{"pem", "crt", "key"}, "cert", "key", "ca", "other-cert", "other-key")
	for _, name := range []string{"issuer", "proxy", "client-id", "cert", "key"} {
		must(cmd.MarkFlagRequired(name))
	}
	cmd.MarkFlagsRequiredTogether("other-cert", "other-key")
	return cmd
}

func (m *Main) selftest(ctx context.Context, f *selftestFlags) (err error) {
	if f.config.Certificate, err = tls.LoadX509KeyPair(f.cert, f.key); err != nil {
		return fmt.Errorf("selftest: %s, %s: %w", f.cert, f.key, err)
	}
	if f.otherCert != "" {
		other, err := tls.LoadX509KeyPair(f.otherCert, f.otherKey)
		if err != nil {
			return fmt.Errorf("selftest: %s, %s: %w", f.otherCert, f.otherKey, err)
		}
		f.config.Other = &other
	}
	if f.ca != "" {
		if f.config.RootCAs, err = config.ReadRoots(config.Path(f.ca)); err != nil {
			return err
		}
	}
	report, err := selftest.Run(ctx, f.config)
	if err != nil {
		return cli.Exit(cli.Refused, err)
	}
	if f.output.Value == "json" {
		err = cli.JSON(m.Stdout, report)
	} else {
		err = report.Text(m.Stdout)
	}
	if err == nil && !report.Passed() {
		err = cli.Exit(cli.Failed, fmt.Errorf("selftest: %d holes, %d unclear", report.Holes, report.Unclear))
	}
	return err
}
