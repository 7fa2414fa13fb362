package main

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/keys/ca"
)

// nameFlags are the names of a client certificate.
type nameFlags struct {
	cn            string
	dns, uri, ips []string
	emails        []string
}

func (f *nameFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.cn, "cn", "", "common name, for people")
	flags.StringSliceVar(&f.uri, "san-uri", nil, "subject alternative name: URI")
	flags.StringSliceVar(&f.dns, "san-dns", nil, "subject alternative name: DNS name")
	flags.StringSliceVar(&f.ips, "san-ip", nil, "subject alternative name: IP address")
	flags.StringSliceVar(&f.emails, "san-email", nil, "subject alternative name: e-mail address")
}

func (f *nameFlags) empty() bool { return len(f.dns)+len(f.uri)+len(f.ips)+len(f.emails) == 0 }

func (f *nameFlags) profile() (ca.ClientProfile, error) {
	p := ca.ClientProfile{Subject: pkix.Name{CommonName: f.cn}, DNSNames: f.dns, Emails: f.emails}
	for _, text := range f.uri {
		u, err := url.Parse(text)
		if err != nil || !u.IsAbs() {
			return p, fmt.Errorf("--san-uri %q is not an absolute URI", text)
		}
		p.URIs = append(p.URIs, u)
	}
	for _, text := range f.ips {
		ip := net.ParseIP(text)
		if ip == nil {
			return p, fmt.Errorf("--san-ip %q is not an IP address", text)
		}
		p.IPs = append(p.IPs, ip)
	}
	return p, nil
}

// keyFlag is the kind of key that is made.
func keyFlag(cmd *cobra.Command) *cli.OneOf {
	kind := &cli.OneOf{Value: string(ca.DefaultKeyKind), Allowed: ca.KeyKinds()}
	cmd.Flags().Var(kind, "key-type", "kind of key")
	return kind
}

func (m *Main) certRequestCommand() *cobra.Command {
	var names nameFlags
	var keyFile, out string
	cmd := &cobra.Command{
		Use:   "request --key FILE --out FILE --san-uri URI",
		Short: "Make a key, and a certificate request (CSR) to send to a CA",
		Long: `request makes a key pair here. The private key is written to --key, readable by its
owner only, and never leaves; --out is what a CA signs. Neither file is overwritten.`,
		Args: cobra.NoArgs,
	}
	kind := keyFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		profile, err := names.profile()
		if err != nil {
			return err
		}
		if names.cn == "" && names.empty() {
			return errors.New("a certificate needs a name: --san-uri, --san-dns, --san-ip, --san-email or --cn")
		}
		key, err := ca.NewKey(ca.KeyKind(kind.Value))
		if err != nil {
			return err
		}
		request, err := ca.NewRequest(key, profile)
		if err != nil {
			return err
		}
		secret, err := ca.EncodeKey(key)
		if err != nil {
			return err
		}
		defer clear(secret)
		if err := writeNew(keyFile, secret, 0o600); err != nil {
			return err
		}
		return writeNew(out, request, 0o644)
	}
	names.add(cmd)
	cmd.Flags().StringVar(&keyFile, "key", "", "where to write the private key")
	cmd.Flags().StringVar(&out, "out", "", "where to write the certificate request")
	must(cmd.MarkFlagRequired("key"))
	must(cmd.MarkFlagRequired("out"))
	return cmd
}

// writeNew writes a file that was not there, durable when it returns: a key that is
// lost makes what was signed for it worthless, one that is overwritten too.
func writeNew(file string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	d, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
