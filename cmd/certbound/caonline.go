package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
	"github.com/certbound/certbound/keys/ca/folder"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

type onlineFlags struct {
	lockFlags

	config, bundle, certificate, key string
}

func (m *Main) caOnlineCommand() *cobra.Command {
	var f onlineFlags
	cmd := &cobra.Command{
		Use:   "online --config FILE --trust-bundle NAME --certificate FILE --key FILE",
		Short: "Let an intermediate sign for enrolment links, its key sealed in the database",
		Long: `online writes to the database that the configuration of serve names, so it runs
where that file is. It takes an intermediate that "ca intermediate" made: one that can
make no other CA, has name constraints, and is believed by the trust bundle. Its key
is sealed under the key-encryption key. The root stays where it is. The change is an
audit event, and takes effect at once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.caOnline(cmd.Context(), &f) },
	}
	f.add(cmd, false)
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration of serve")
	flags.StringVar(&f.bundle, "trust-bundle", "", "trust bundle whose clients it signs for")
	flags.StringVar(&f.certificate, "certificate", "", "the intermediate's certificate (PEM), followed by what leads on to the bundle's anchor")
	flags.StringVar(&f.key, "key", "", "its encrypted key")
	for _, name := range []string{"config", "trust-bundle", "certificate", "key"} {
		must(cmd.MarkFlagRequired(name))
	}
	return cmd
}

func (m *Main) caOnline(ctx context.Context, f *onlineFlags) (err error) {
	c, _, err := config.LoadServe(f.config, m.Environ)
	if err != nil {
		return err
	}
	sealer, err := process.Sealer(c)
	if err != nil {
		return err
	}
	chain, err := readFile(f.certificate)
	if err != nil {
		return err
	}
	lock, err := m.lock(&f.lockFlags, false)
	if err != nil {
		return err
	}
	key, err := folder.ReadKey(f.key, lock)
	if err != nil {
		return err
	}
	if _, err := os.Stat(string(c.Database.Path)); err != nil { // opening would create it
		return fmt.Errorf("ca online: the database: %w", err)
	}
	logger := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(ctx, string(c.Database.Path), sqlite.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now().UTC().Truncate(time.Second)
	bundle, err := activeBundle(ctx, store, f.bundle)
	if err != nil {
		return err
	}
	issuer, err := enroll.NewIssuer(chain, key, bundle, now)
	if err != nil {
		return err
	}
	record, err := issuer.Seal(sealer, f.bundle, now)
	if err != nil {
		return err
	}
	// A chain of its own: the server may be running, and writes to another one.
	recorder, err := audit.New(audit.Config{Store: store, Instance: "ca-online", Clock: time.Now, Logger: logger})
	if err != nil {
		return err
	}
	cert := issuer.Authority.Cert
	err = store.Update(ctx, func(tx storage.Tx) error {
		if err := tx.PutEnrollmentIssuer(ctx, record); err != nil {
			return err
		}
		return recorder.Append(ctx, tx, audit.Event{Time: now, Kind: audit.EnrollmentIssuerSet, Actor: "local", Detail: map[string]any{
			"operator": operator(), "trust_bundle": f.bundle, "subject": cert.Subject.String(), "serial": cert.SerialNumber.Text(16), "not_after": cert.NotAfter.UTC(),
		}})
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.Stdout, "%s signs for trust bundle %s until %s\n", cert.Subject, f.bundle, cert.NotAfter.UTC().Format(time.DateOnly))
	if err == nil && !c.Enrollment.Enabled {
		_, err = fmt.Fprintln(m.Stderr, "enrollment.enabled is not set in the configuration: nothing is signed before it is")
	}
	return err
}

// activeBundle is the version of a trust bundle that is in force.
func activeBundle(ctx context.Context, store storage.TrustBundleReader, name string) (*trust.Bundle, error) {
	all, err := store.TrustBundles(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		b := &all[i]
		if b.Name == name && b.Status == storage.BundleActive {
			return trust.Load(trust.Spec{
				Name: b.Name, Version: b.Version, Anchors: []byte(b.AnchorsPEM), Intermediates: []byte(b.IntermediatesPEM),
				Issuers: []byte(b.IssuersPEM), MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots,
			})
		}
	}
	return nil, fmt.Errorf("ca online: there is no active trust bundle %q; register it first: certbound trust create", name)
}
