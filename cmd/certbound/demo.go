package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/demo"
	"github.com/certbound/certbound/cmd/certbound/internal/dev"
)

// errDemoFailed ends a demo in which something was not as it should be.
var errDemoFailed = errors.New("demo: not every outcome is as it should be")

func (m *Main) demoCommand() *cobra.Command {
	var dir string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a stolen token being refused",
		Long: `demo gets a token, uses it, and replays it in the wrong hands: one line an outcome.
Without --dir it starts everything it needs on free loopback ports in a temporary
directory; with --dir it uses the dev that runs there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir != "" {
				return m.demoIn(cmd.Context(), dir)
			}
			return m.demoAlone(cmd.Context(), verbose)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of a running dev")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the servers' decisions as JSON lines on stderr (not with --dir)")
	cmd.MarkFlagsMutuallyExclusive("dir", "verbose")
	return cmd
}

// demoIn tells the story against a dev that runs already.
func (m *Main) demoIn(ctx context.Context, dir string) error {
	info, err := dev.ReadInfo(dir)
	if err != nil {
		return err
	}
	return m.tell(ctx, info)
}

// demoAlone starts a dev of its own, tells the story, and leaves nothing behind.
func (m *Main) demoAlone(ctx context.Context, verbose bool) (err error) {
	dir, err := os.MkdirTemp("", "certbound-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logger := slog.New(slog.DiscardHandler)
	if verbose {
		logger = m.logger()
	}
	server, err := dev.New(ctx, dev.Options{
		Dir: dir, AuthzAddr: ":0", ProxyAddr: ":0", AdminAddr: ":0", OpsAddr: ":0", Leeway: config.DefaultLeeway, Logger: logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var told error
	err = server.Run(ctx, func() {
		told = m.tell(ctx, &server.Info)
		stop()
	})
	return errors.Join(told, err)
}

func (m *Main) tell(ctx context.Context, info *dev.Info) error {
	good, err := demo.Run(ctx, m.Stdout, info)
	if err == nil && !good {
		err = cli.Exit(cli.Failed, errDemoFailed)
	}
	return err
}
