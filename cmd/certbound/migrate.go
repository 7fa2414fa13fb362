package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/storage/sqlite"
)

type migrateFlags struct {
	config                string
	check, dryRun, create bool
	output                cli.OneOf
}

func (m *Main) migrateCommand() *cobra.Command {
	f := migrateFlags{output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}}
	cmd := &cobra.Command{
		Use:   "migrate --config FILE",
		Short: "Bring the database of serve to the version of this program, without starting the server",
		Long: `migrate does to the schema what the start of serve does, and refuses what it refuses,
in the same words: a database that is newer than this program, or another's. It opens
no key and no certificate, and applies no seed. All of it is one transaction, under
SQLite's lock: a server may run, and several may migrate at once. There is no way back
to an older version but a backup made before.

Where serve makes an empty database when there is none, migrate ends with 1: a path
may be mistyped. --create makes one.

--check and --dry-run change nothing. --check ends with 3 when there is something to
do.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.migrate(cmd.Context(), &f) },
	}
	configFlag(cmd, &f.config)
	flags := cmd.Flags()
	flags.BoolVar(&f.check, "check", false, "change nothing, and end with 3 when there is something to do")
	flags.BoolVar(&f.dryRun, "dry-run", false, "change nothing, only show what there is to do")
	flags.BoolVar(&f.create, "create", false, "make the database when there is none, or when it is empty")
	cmd.MarkFlagsMutuallyExclusive("check", "dry-run")
	outputFlag(cmd, &f.output)
	return cmd
}

// migration is what was, or is to be, done.
type migration struct {
	Database string `json:"database"`
	From     int    `json:"from"` // version of the schema; 0: there is none
	To       int    `json:"to"`
	Changed  bool   `json:"changed"`
	Pending  bool   `json:"pending"` // something is to be done
}

func (m *Main) migrate(ctx context.Context, f *migrateFlags) error {
	c, err := m.migrated(f.config)
	if err != nil {
		return err
	}
	found, err := f.find(ctx, c)
	if err == nil && !found.Current() && !f.check && !f.dryRun {
		return m.migrateNow(ctx, f, c)
	}
	if err != nil {
		return c.Source.Problem("database.path", err)
	}
	path := string(c.Database.Path)
	err = m.sayMigration(f, &migration{Database: path, From: found.Version, To: found.Latest, Pending: !found.Current()})
	if err == nil && f.check && !found.Current() {
		err = cli.Exit(cli.Failed, fmt.Errorf("migrate: %s has to be migrated from version %d to %d", path, found.Version, found.Latest))
	}
	return err
}

// migrated reads the configuration of the server that is to be migrated for. What
// serve would not read is not migrated for.
func (m *Main) migrated(file string) (*config.Serve, error) {
	which, err := config.Detect(file)
	if err != nil {
		return nil, err
	}
	if which != config.ServeProcess {
		return nil, fmt.Errorf("migrate: %s is a configuration of certbound %s, which has no database", file, which)
	}
	c, loaded, err := config.LoadServe(file, m.Environ)
	for _, name := range loaded.Unused {
		m.say("certbound: warning: %s is no setting and was ignored", name)
	}
	return c, err
}

// find looks where the database stands, and refuses to make one unless asked.
func (f *migrateFlags) find(ctx context.Context, c *config.Serve) (sqlite.Schema, error) {
	found, err := sqlite.ReadSchema(ctx, string(c.Database.Path), migrateOptions())
	absent := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !absent:
		return found, err
	case f.create:
		return found, nil
	case absent:
		return found, fmt.Errorf("%w; the first start of certbound serve makes it, and so does --create", err)
	case found.Version == 0:
		return found, fmt.Errorf("sqlite: open database %s: it is empty; the first start of certbound serve fills it, and so does --create", c.Database.Path)
	}
	return found, nil
}

func (m *Main) migrateNow(ctx context.Context, f *migrateFlags, c *config.Serve) error {
	found, err := sqlite.Migrate(ctx, string(c.Database.Path), migrateOptions())
	if err != nil {
		return c.Source.Problem("database.path", err)
	}
	return m.sayMigration(f, &migration{Database: string(c.Database.Path), From: found.Version, To: found.Latest, Changed: !found.Current()})
}

// migrateOptions leave it to serve and doctor to warn of the file's mode.
func migrateOptions() sqlite.Options {
	return sqlite.Options{Logger: slog.New(slog.DiscardHandler)}
}

func (m *Main) sayMigration(f *migrateFlags, done *migration) (err error) {
	switch {
	case f.output.Value == "json":
		err = cli.JSON(m.Stdout, done)
	case done.Changed:
		_, err = fmt.Fprintf(m.Stdout, "%s: migrated from version %d to %d\n", done.Database, done.From, done.To)
	case done.Pending:
		_, err = fmt.Fprintf(m.Stdout, "%s: to be migrated from version %d to %d; nothing was changed\n", done.Database, done.From, done.To)
	default:
		_, err = fmt.Fprintf(m.Stdout, "%s: at version %d, nothing to do\n", done.Database, done.To)
	}
	return err
}
