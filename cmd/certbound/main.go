// Command certbound issues certificate-bound access tokens (RFC 8705) and makes
// the binding count in front of an API. See `certbound help`.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/linelog"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal drains; after it, another one kills as usual.
	context.AfterFunc(ctx, stop)
	m := &Main{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
	code := m.Run(ctx)
	stop()
	os.Exit(code)
}

// Main is the program with everything it touches injected, so that tests run it
// whole.
type Main struct {
	Args           []string // without the program's name
	Environ        []string // "NAME=value"
	Stdout, Stderr io.Writer

	log *linelog.Log // made on demand
}

// Run parses the arguments, runs one command until it ends or ctx does, and
// returns the exit code.
func (m *Main) Run(ctx context.Context) int {
	root := m.command()
	root.SetArgs(identifiersLast(m.Args))
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	running := markRunning(root)
	cmd, err := root.ExecuteContextC(ctx)
	if m.log != nil {
		m.log.Flush()
	}
	if err != nil {
		_, _ = fmt.Fprintf(m.Stderr, "certbound: %v\n", err) // nowhere else to say it
		if !*running {
			_, _ = fmt.Fprintf(m.Stderr, "usage: %s; more with --help\n", usage(cmd))
		}
	}
	return cli.Code(err)
}

func (m *Main) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "certbound",
		Short: "Access tokens that work in one pair of hands: OAuth 2.0 with mutual TLS (RFC 8705)",
		Long: `certbound is an authorization server whose tokens are bound to the client's
certificate, and a proxy that refuses them in every other hand.

Start with "certbound demo" or "certbound dev".

Exit codes: 0 fine, 1 usage or local error, 2 the server refused or could not be
reached, 3 a check failed.`,
		SilenceErrors: true, // Run prints them, once
		SilenceUsage:  true,
	}
	audit := m.auditCommand()
	audit.AddCommand(m.auditVerifyCommand(), m.auditCheckpointCommand(), m.auditPruneCommand())
	audit.AddCommand(m.auditKeptCommands()...)
	root.AddCommand(
		m.devCommand(), m.demoCommand(), m.serveCommand(), m.proxyCommand(),
		m.tokenCommand(), m.configCommand(), m.policyCommand(), m.versionCommand(),
		m.partnerCommand(), m.clientCommand(), m.apiCommand(), m.trustCommand(), m.certCommand(), m.caCommand(), m.keyCommand(), m.adminCommand(), audit, m.explainCommand(), m.selftestCommand(), m.doctorCommand(), m.healthcheckCommand(), m.migrateCommand(),
	)
	return root
}

// group makes a command that only holds others. Without one it shows its help;
// a word that is none of them is an error, which cobra sees to at the root only.
func group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(children...)
	return cmd
}

// usage is how a command is called, in one line.
func usage(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// markRunning returns what becomes true when a command begins: an error before that
// is one of how it was called.
func markRunning(root *cobra.Command) *bool {
	running := new(bool)
	var mark func(*cobra.Command)
	mark = func(cmd *cobra.Command) {
		if run := cmd.RunE; run != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				*running = true
				return run(cmd, args)
			}
		}
		if positional, _, _ := strings.Cut(cmd.Use, " --"); cmd.ValidArgsFunction == nil && !strings.Contains(positional, "FILE") {
			cmd.ValidArgsFunction = cobra.NoFileCompletions // a shell offers files to who says nothing
		}
		for _, child := range cmd.Commands() {
			mark(child)
		}
	}
	mark(root)
	return running
}

// logger writes what happens as JSON lines to stderr, all of them before Run
// returns.
func (m *Main) logger() *slog.Logger {
	if m.log == nil {
		m.log = linelog.New(m.Stderr)
	}
	return m.log.Logger
}

// warnUnused says which CERTBOUND_ variables did nothing: mostly a misspelling.
func warnUnused(ctx context.Context, logger *slog.Logger, names []string) {
	for _, name := range names {
		logger.LogAttrs(ctx, slog.LevelWarn, "environment_variable_ignored", slog.String("name", name))
	}
}
