package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/storage/sqlite"
)

// adminFlags say where the admin API is and who calls it; each may come from the
// environment, so that a shell is set up once.
type adminFlags struct {
	server, ca, cert, key, clientID string
	output                          cli.OneOf
}

// adminEnv is the prefix of the variables that stand for flags.
const adminEnv = "CERTBOUND_ADMIN_"

// add puts the flags on a command and all below it.
func (f *adminFlags) add(cmd *cobra.Command) {
	f.output = cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	flags := cmd.PersistentFlags()
	for _, one := range f.all() {
		flags.StringVar(one.value, one.name, "", one.usage+"; or "+one.env())
	}
	flags.VarP(&f.output, "output", "o", "how to print")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(f.output.Allowed, cobra.ShellCompDirectiveNoFileComp)))
	for _, name := range []string{"ca", "cert", "key"} {
		must(cmd.MarkPersistentFlagFilename(name, "pem", "crt", "cer", "key"))
	}
}

type adminFlag struct {
	value       *string
	name, usage string
}

func (f *adminFlags) all() []adminFlag {
	return []adminFlag{
		{&f.server, "server", "URL of the admin listener"},
		{&f.ca, "ca", "roots that sign the servers' certificates (PEM)"},
		{&f.cert, "cert", "the administrator's certificate (PEM)"},
		{&f.key, "key", "private key of the certificate (PEM)"},
		{&f.clientID, "client-id", "the administrator's client_id"},
	}
}

func (f adminFlag) env() string {
	return adminEnv + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_"))
}

// client fills in the environment and connects to nothing yet.
func (m *Main) adminClient(f *adminFlags) (*adminclient.Client, error) {
	for _, one := range f.all() {
		for _, variable := range m.Environ {
			if value, ok := strings.CutPrefix(variable, one.env()+"="); ok && *one.value == "" {
				*one.value = value
			}
		}
		if *one.value == "" {
			return nil, fmt.Errorf("--%s is missing; it may also stand in %s", one.name, one.env())
		}
	}
	roots, err := config.ReadRoots(config.Path(f.ca))
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", f.cert, f.key, err)
	}
	return adminclient.New(adminclient.Config{Server: f.server, ClientID: f.clientID, Certificate: pair, RootCAs: roots})
}

// withAdmin runs fn with a client; what it returns is the server's fault.
func (m *Main) withAdmin(f *adminFlags, fn func(*adminclient.Client) error) error {
	client, err := m.adminClient(f)
	if err != nil {
		return err
	}
	defer client.Close()
	return cli.Exit(cli.Refused, fn(client))
}

type recoverFlags struct {
	config, clientID, partner, cert string
}

func (m *Main) adminCommand() *cobra.Command {
	var f recoverFlags
	cmd := &cobra.Command{
		Use:   "recover --config FILE --client-id ID --cert FILE",
		Short: "Make somebody an administrator, with the database in hand",
		Long: `recover writes to the database that the configuration of serve names, so it runs
where that file is, and no administrator is asked. The client gets all admin
scopes and is known by this certificate from now on; what it was known by before,
and every token it holds, is void. The change is an audit event.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.recoverAdmin(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration of serve")
	flags.StringVar(&f.clientID, "client-id", "", "client_id of the administrator, new or not")
	flags.StringVar(&f.partner, "partner", "operations", "partner the administrator belongs to, when new")
	flags.StringVar(&f.cert, "cert", "", "the administrator's certificate (PEM); its key stays where it is")
	for _, name := range []string{"config", "client-id", "cert"} {
		must(cmd.MarkFlagRequired(name))
	}
	return group(&cobra.Command{Use: "admin", Short: "Administrators"}, cmd)
}

func (m *Main) recoverAdmin(ctx context.Context, f *recoverFlags) (err error) {
	c, _, err := config.LoadServe(f.config, m.Environ)
	if err != nil {
		return err
	}
	certificate, err := readCertificate(f.cert)
	if err != nil {
		return err
	}
	client, err := admin.SelfSigned(f.clientID, f.partner, certificate)
	if err != nil {
		return err
	}
	if _, err := os.Stat(string(c.Database.Path)); err != nil { // opening would create it
		return fmt.Errorf("admin recover: the database: %w", err)
	}
	logger := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(ctx, string(c.Database.Path), sqlite.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	// A chain of its own: the server may be running, and writes to another one.
	recorder, err := audit.New(audit.Config{Store: store, Instance: "admin-recover", Clock: time.Now, Logger: logger})
	if err != nil {
		return err
	}
	wanted := admin.Administrator{Issuer: c.Issuer, Client: client}
	if err := admin.Recover(ctx, store, recorder, time.Now(), wanted, operator()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.Stdout, "%s administers %s with the certificate in %s\n", f.clientID, c.Issuer, f.cert)
	return err
}

// operator is who runs this, as far as the system says.
func operator() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// readCertificate reads the first certificate of a PEM file. A private key beside
// it is refused: it has no business in a file that is passed around.
func readCertificate(file string) (*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var leaf *x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return nil, fmt.Errorf("%s: holds a private key; give the certificate alone", file)
		case block.Type == "CERTIFICATE" && leaf == nil:
			if leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if leaf == nil {
		return nil, fmt.Errorf("%s: no certificate in PEM form", file)
	}
	return leaf, nil
}
