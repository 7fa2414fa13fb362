package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/ca/folder"
)

func (m *Main) caSignCommand(f *caFlags) *cobra.Command {
	var names nameFlags
	var issuer, request, out string
	var days int
	cmd := &cobra.Command{
		Use:   "sign --dir DIR --csr FILE [--out FILE]",
		Short: "Sign a client's certificate request",
		Long: `sign takes a certificate request (CSR) and nothing else: a file with a private key
is refused. The request's signature must be by its key. The certificate gets
clientAuth and digitalSignature, for RSA also keyEncipherment, and the names of the
flags, or without any those of the request. It is written with its intermediate.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := readFile(request)
			if err != nil {
				return err
			}
			csr, err := ca.ParseRequest(text)
			if err != nil {
				return fmt.Errorf("%s: %w", request, err)
			}
			if days < 1 || days > maxClientDays {
				return fmt.Errorf("ca: --days %d is not 1 to %d", days, maxClientDays)
			}
			profile, err := names.profile()
			if err != nil {
				return err
			}
			if names.empty() {
				profile = ca.ClientProfile{Subject: profile.Subject, DNSNames: csr.DNSNames, URIs: csr.URIs, IPs: csr.IPAddresses, Emails: csr.EmailAddresses}
			}
			if names.cn == "" {
				profile.Subject.CommonName = csr.Subject.CommonName
			}
			now := time.Now()
			profile.NotBefore, profile.NotAfter = now, now.Add(time.Duration(days)*day)
			lock, err := m.lock(&f.lockFlags, false)
			if err != nil {
				return err
			}
			return f.inFolder(func(d *folder.Folder) error {
				cert, err := d.Sign(issuer, lock, csr, profile, now)
				if err != nil {
					return err
				}
				chain, err := d.Chain(issuer)
				if err != nil {
					return err
				}
				return m.emit(out, append(ca.EncodeCertificates(cert), chain...))
			})
		},
	}
	names.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&issuer, "issuer", "issuing", "which intermediate signs")
	flags.StringVar(&request, "csr", "", "the certificate request (PEM); - is standard input")
	flags.StringVar(&out, "out", "", "where to write the certificate; default standard output")
	flags.IntVar(&days, "days", 90, fmt.Sprintf("life of the certificate, 1 to %d", maxClientDays))
	must(cmd.MarkFlagRequired("csr"))
	return cmd
}

func (m *Main) caRevokeCommand(f *caFlags) *cobra.Command {
	reason := cli.OneOf{Value: "unspecified", Allowed: folder.Reasons()}
	cmd := &cobra.Command{
		Use:   "revoke SERIAL|FILE --dir DIR [--reason REASON]",
		Short: "Take a certificate back, by its serial number or file; publish a new CRL afterwards",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			serial := args[0]
			if _, err := os.Stat(serial); err == nil {
				cert, err := readCertificate(serial)
				if err != nil {
					return err
				}
				serial = cert.SerialNumber.Text(16)
			}
			return f.inFolder(func(d *folder.Folder) error {
				e, err := d.Revoke(serial, reason.Value, time.Now())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(m.Stdout, "%s (%s) revoked since %s: %s; now run: certbound ca crl --dir %s --issuer %s\n",
					e.Serial, cli.Plain(e.Subject), e.RevokedAt.Format(time.RFC3339), e.Reason, f.dir, e.Issuer)
				return err
			})
		},
	}
	cmd.Flags().Var(&reason, "reason", "`REASON` of RFC 5280 §5.3.1: "+strings.Join(reason.Allowed, ", "))
	must(cmd.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(reason.Allowed, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func (m *Main) caCRLCommand(f *caFlags) *cobra.Command {
	var issuer, out string
	var days int
	cmd := &cobra.Command{
		Use:   "crl --dir DIR [--issuer NAME] [--out FILE]",
		Short: "Sign the list of an issuer's revoked certificates",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if days < 1 || days > 90 {
				return errors.New("ca: --days is not 1 to 90")
			}
			lock, err := m.lock(&f.lockFlags, false)
			if err != nil {
				return err
			}
			return f.inFolder(func(d *folder.Folder) error {
				crl, err := d.CRL(issuer, lock, time.Duration(days)*day, time.Now())
				if err != nil {
					return err
				}
				return m.emit(out, crl)
			})
		},
	}
	cmd.Flags().StringVar(&issuer, "issuer", "issuing", "whose list; root for the intermediates")
	cmd.Flags().StringVar(&out, "out", "", "where to write it; default standard output")
	cmd.Flags().IntVar(&days, "days", 7, "how long relying parties may believe it, 1 to 90")
	return cmd
}

func (m *Main) caListCommand(f *caFlags) *cobra.Command {
	output := cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:   "list --dir DIR",
		Short: "List what was signed",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return f.inFolder(func(d *folder.Folder) error {
				if output.Value == "json" {
					return cli.JSON(m.Stdout, d.Entries())
				}
				w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "SERIAL\tISSUER\tSUBJECT\tUNTIL\tSTATE")
				for _, e := range d.Entries() {
					state := "good"
					if e.RevokedAt != nil {
						state = "revoked: " + e.Reason
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Serial, e.Issuer, cli.Plain(e.Subject), e.NotAfter.Format(time.DateOnly), state)
				}
				return w.Flush()
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// emit writes to a new file, or to standard output.
func (m *Main) emit(file string, text []byte) error {
	if file == "" {
		_, err := m.Stdout.Write(text)
		return err
	}
	return writeNew(file, text, 0o644)
}
