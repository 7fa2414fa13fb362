package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/dev"
	"github.com/certbound/certbound/keys"
)

// defaultDevDir is where dev keeps its keys when not told: in sight, so that
// nobody wonders where the private keys are.
const defaultDevDir = "certbound-dev"

type devFlags struct {
	options    dev.Options
	signingKey string
}

func (m *Main) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on loopback with throwaway keys, and print what to try",
		Long: `dev makes (or reuses) throwaway keys, certificates and a database in a directory,
runs the authorization server, the proxy and a demo API behind it on loopback,
and prints curl commands to try. While it runs, DIR/dev.json describes it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.dev(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.options.Dir, "dir", defaultDevDir, "directory for keys, certificates, database and dev.json")
	flags.StringVar(&f.options.AuthzAddr, "authz-addr", "127.0.0.1:8443", "address of the authorization server; port 0 picks a free one")
	flags.StringVar(&f.options.ProxyAddr, "proxy-addr", ":8444", "address of the proxy")
	flags.StringVar(&f.options.AdminAddr, "admin-addr", ":8445", "address of the admin API")
	flags.StringVar(&f.options.OpsAddr, "ops-addr", ":8446", "address of /livez, /readyz and /metrics")
	flags.DurationVar(&f.options.TokenLifetime, "token-lifetime", config.DefaultTokenLifetime, "lifetime of access tokens, at most 1h")
	flags.DurationVar(&f.options.Leeway, "leeway", config.DefaultLeeway, "the proxy's tolerance for iat and nbf, at most 30s")
	flags.DurationVar(&f.options.RotateEvery, "rotate-every", 0, "how long a signing key signs; 0 means until an administrator rotates it")
	flags.DurationVar(&f.options.JWKSMaxAge, "jwks-max-age", keys.DefaultCacheTime, "how long the published keys may be kept, 10s to 1h; a key is published that long, and 20s, before it signs")
	flags.StringVar(&f.options.Seed, "seed", "", "file of further partners, trust bundles, APIs and clients (YAML or JSON)")
	flags.StringVar(&f.signingKey, "signing-key", "", "private JWK, or a file with one, that signs tokens from the directory's first start on; who has it can forge")
	return cmd
}

func (m *Main) dev(ctx context.Context, f *devFlags) (err error) {
	if f.options.TokenLifetime == 0 { // which further in would mean the default
		return errors.New("dev: --token-lifetime must be from 1s to 1h")
	}
	if f.signingKey != "" {
		if f.options.SigningKey, err = dev.ReadSigningKey(f.signingKey); err != nil {
			return err
		}
	}
	f.options.Logger, f.options.Metrics = m.logger(), buildMetrics()
	server, err := dev.New(ctx, f.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	return server.Run(ctx, func() {
		_, _ = fmt.Fprint(m.Stdout, server.Info.Next()) // whoever closed stdout does not want it
	})
}

// say writes a message for the person at the terminal.
func (m *Main) say(format string, args ...any) {
	_, _ = fmt.Fprintf(m.Stderr, format+"\n", args...) // nowhere else to say it
}
