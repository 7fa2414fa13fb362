package main

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/ca/folder"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// maxClientDays is the longest life of a client certificate that is signed here,
// what the public Web allowed until 2026.
const maxClientDays = 398

// caFlags are what the commands below `ca` have in common.
type caFlags struct {
	lockFlags

	dir string
}

func (m *Main) caCommand() *cobra.Command {
	var f caFlags
	cmd := group(&cobra.Command{
		Use:   "ca",
		Short: "A small private CA, for teams that have none",
		Long: `A root that signs name-constrained intermediates, and intermediates that sign client
certificates with one fixed profile. It lives in a directory: keep that off the
network, and back it up. Keys are encrypted at rest with age, by a passphrase or to
recipients. Whoever has a CA uses that one instead.`,
	},
		m.caRevokeCommand(&f), m.caListCommand(&f),
	)
	for _, one := range []*cobra.Command{m.caInitCommand(&f), m.caIntermediateCommand(&f)} {
		f.add(one, true)
		cmd.AddCommand(one)
	}
	for _, one := range []*cobra.Command{m.caSignCommand(&f), m.caCRLCommand(&f)} {
		f.add(one, false)
		cmd.AddCommand(one)
	}
	for _, one := range cmd.Commands() {
		one.Flags().StringVar(&f.dir, "dir", "", "directory of the CA")
		must(one.MarkFlagRequired("dir"))
		must(one.MarkFlagDirname("dir"))
	}
	cmd.AddCommand(m.caOnlineCommand())
	cmd.AddCommand(m.caIssuersCommands()...)
	return cmd
}

// inFolder runs fn with the directory open.
func (f *caFlags) inFolder(fn func(*folder.Folder) error) (err error) {
	d, err := folder.Open(f.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return fn(d)
}

// authorityFlags say what an intermediate may sign, and how its key is made.
type authorityFlags struct {
	dns, uri []string
	years    int
	rsa      int
}

func (f *authorityFlags) add(cmd *cobra.Command, years int, what string) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.dns, "permit-dns", nil, "domain whose DNS names the intermediate may sign, with all below it")
	flags.StringSliceVar(&f.uri, "permit-uri", nil, "domain of the hosts in URIs the intermediate may sign, such as a SPIFFE trust domain")
	flags.IntVar(&f.years, "years", years, "life of "+what)
	flags.IntVar(&f.rsa, "rsa", 0, "make RSA keys of 3072 or 4096 bits instead of EC P-256")
}

func (f *authorityFlags) spec(name string, years int) (ca.Spec, error) {
	kind := ca.DefaultKeyKind
	switch f.rsa {
	case 0:
	case 3072:
		kind = ca.RSA3072
	case 4096:
		kind = ca.RSA4096
	default:
		return ca.Spec{}, fmt.Errorf("ca: --rsa %d is not 3072 or 4096", f.rsa)
	}
	if years < 1 || years > 30 {
		return ca.Spec{}, fmt.Errorf("ca: %d years are not 1 to 30", years)
	}
	key, err := ca.NewKey(kind)
	return ca.Spec{Subject: pkix.Name{CommonName: name}, Lifetime: time.Duration(years) * year, Key: key}, err
}

func (f *authorityFlags) permitted() (ca.Permitted, error) {
	if len(f.dns)+len(f.uri) == 0 {
		return ca.Permitted{}, errors.New("ca: give the domains the intermediate may sign: --permit-dns, --permit-uri")
	}
	return ca.Permitted{DNS: f.dns, URI: f.uri}, nil
}

func (m *Main) caInitCommand(f *caFlags) *cobra.Command {
	var a authorityFlags
	var name, intermediate string
	cmd := &cobra.Command{
		Use:   "init --dir DIR --name NAME --permit-dns DOMAIN",
		Short: "Make a root and its first intermediate",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			permitted, err := a.permitted()
			if err != nil {
				return err
			}
			root, err := a.spec(name+" Root CA", a.years)
			if err != nil {
				return err
			}
			issuing, err := a.spec(name+" Issuing CA", min(a.years, intermediateYears))
			if err != nil {
				return err
			}
			issuing.Permitted = permitted
			lock, err := m.lock(&f.lockFlags, true)
			if err != nil {
				return err
			}
			// One moment for both: an intermediate never outlives its root.
			now := time.Now()
			d, err := folder.Create(f.dir, root, lock, now)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			if _, err := d.AddIntermediate(intermediate, issuing, lock, now); err != nil {
				return err
			}
			_, err = fmt.Fprintf(m.Stdout, "root          %s\nintermediate  %s\n", d.CertificatePath(folder.RootName), d.CertificatePath(intermediate))
			return err
		},
	}
	a.add(cmd, 10, "the root, in years; an intermediate gets at most 5")
	cmd.Flags().StringVar(&name, "name", "", "name of the CA, for people")
	cmd.Flags().StringVar(&intermediate, "intermediate", "issuing", "name of the intermediate in the directory")
	must(cmd.MarkFlagRequired("name"))
	return cmd
}

// intermediateYears is the life of an intermediate: its key is used, the root's is
// not.
const intermediateYears = 5

func (m *Main) caIntermediateCommand(f *caFlags) *cobra.Command {
	var a authorityFlags
	var name string
	cmd := &cobra.Command{
		Use:   "intermediate NAME --dir DIR --permit-dns DOMAIN",
		Short: "Make another intermediate, such as one that goes online for enrolment",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			permitted, err := a.permitted()
			if err != nil {
				return err
			}
			if name == "" {
				name = args[0]
			}
			spec, err := a.spec(name, a.years)
			if err != nil {
				return err
			}
			spec.Permitted = permitted
			lock, err := m.lock(&f.lockFlags, false)
			if err != nil {
				return err
			}
			return f.inFolder(func(d *folder.Folder) error {
				if _, err := d.AddIntermediate(args[0], spec, lock, time.Now()); err != nil {
					return err
				}
				_, err := fmt.Fprintf(m.Stdout, "certificate  %s\nkey          %s\n", d.CertificatePath(args[0]), d.KeyPath(args[0]))
				return err
			})
		},
	}
	a.add(cmd, intermediateYears, "the intermediate, in years")
	cmd.Flags().StringVar(&name, "name", "", "name in the certificate, for people; default NAME")
	return cmd
}
