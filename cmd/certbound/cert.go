package main

import (
	"encoding/pem"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

func (m *Main) certCommand() *cobra.Command {
	var f adminFlags
	var reason string
	var dryRun bool
	revoke := &cobra.Command{
		Use:   "revoke X5T|FILE --reason TEXT",
		Short: "Revoke a certificate; it and the tokens bound to it are refused everywhere within a second",
		Long: `revoke takes the certificate, or its thumbprint, base64url(SHA-256(DER)): the x5t_s256
of log lines and the x5t#S256 of tokens. The certificate need not be registered; whoever
lacks admin:security may have to give the file of one that is not on record, which shows
that it is none of an administrator's.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x5t, err := thumbprintOf(args[0])
			if err != nil {
				return err
			}
			body := admin.RevocationBody{Reason: reason}
			if x5t != args[0] {
				if body.Certificate, err = certificateOf(args[0]); err != nil {
					return err
				}
			}
			if dryRun {
				return m.tryOut(cmd.Context(), &f, "/admin/v1/certificates/"+x5t+"/revoke", body)
			}
			return m.withAdmin(&f, func(c *adminclient.Client) error {
				var done admin.Revocation
				err := c.Post(cmd.Context(), "/admin/v1/certificates/"+x5t+"/revoke", body, &done)
				if err != nil {
					return err
				}
				return m.printRevocation(&f, &done)
			})
		},
	}
	revoke.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	must(revoke.MarkFlagRequired("reason"))
	addDryRun(revoke, &dryRun)
	f.add(revoke) // the others ask nobody
	return group(&cobra.Command{Use: "cert", Short: "Client certificates: make, look at, verify and revoke them"},
		m.certRequestCommand(), m.certEnrollCommand(), m.certRenewCommand(), m.certStatusCommand(), m.certRetireCommand(), m.certExpiringCommand(),
		m.certInspectCommand(), m.certVerifyCommand(),
		m.certList(), m.certShow(), m.certAdd(), m.certRemove(), revoke)
}

// certificateOf is the certificate of a file in PEM, without what else is in the file.
func certificateOf(file string) (string, error) {
	leaf, err := readCertificate(file)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})), nil
}

func (m *Main) printRevocation(f *adminFlags, done *admin.Revocation) error {
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, done)
	}
	of := ""
	if done.ClientID != "" {
		of = " of " + done.ClientID
	}
	_, err := fmt.Fprintf(m.Stdout, "%s%s revoked since %s: %s\n", done.Thumbprint, of, done.RevokedAt.Format("2006-01-02T15:04:05Z"), done.Reason)
	return err
}
