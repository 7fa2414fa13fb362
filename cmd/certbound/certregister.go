package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
)

// certificateFields are the members of a registered certificate.
var certificateFields = []string{"x5t#S256", "client_id", "subject", "not_before", "not_after", "status", "source", "retire_at", "first_seen", "last_seen", "created_at", "revoked_at", "revocation_reason"}

func certificatesPath(clientID string) string { return clientPath(clientID) + "/certificates" }

func (m *Main) certList() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use: "list CLIENT", Short: "List the certificates of a client: registered, enrolled and seen", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(&f, func(c *adminclient.Client) error {
				all, err := pagesOf(cmd.Context(), c, certificatesPath(args[0]), "certificates")
				if err != nil {
					return err
				}
				return m.printList(&f, []column{
					shown("X5T#S256", "x5t#S256"), shown("SUBJECT", "subject"), shown("STATUS", "status"), shown("SOURCE", "source"),
					shown("UNTIL", "not_after"), shown("RETIRES", "retire_at"), shown("SEEN", "last_seen"),
				}, all)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (m *Main) certShow() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use: "show X5T|FILE", Short: "Show a registered certificate and whose it is", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x5t, err := thumbprintOf(args[0])
			if err != nil {
				return err
			}
			return m.call(cmd.Context(), &f, adminclient.Call{Method: http.MethodGet, Path: "/admin/v1/certificates/" + x5t}, certificateFields)
		},
	}
	f.add(cmd)
	return cmd
}

func (m *Main) certAdd() *cobra.Command {
	var f adminFlags
	var b body
	cmd := &cobra.Command{
		Use: "add CLIENT FILE", Short: "Register one more certificate of a self-signed client", Args: cobra.ExactArgs(2),
		Long: `add registers a certificate beside those the client has, so that it can change over
without a moment in which neither is good. Take the old one away with cert remove.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readPublic(args[1])
			if err != nil {
				return err
			}
			return m.call(cmd.Context(), &f, b.post(certificatesPath(args[0]), map[string]string{"certificate": string(data)}), certificateFields)
		},
	}
	addDryRun(cmd, &b.dryRun)
	f.add(cmd)
	return cmd
}

func (m *Main) certRemove() *cobra.Command {
	var f adminFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use: "remove CLIENT X5T|FILE", Short: "Take a certificate away from a client; the client's tokens die", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			x5t, err := thumbprintOf(args[1])
			if err != nil {
				return err
			}
			path := certificatesPath(args[0]) + "/" + x5t
			return m.call(cmd.Context(), &f, adminclient.Call{Method: http.MethodDelete, Path: tried(path, dryRun)}, certificateFields)
		},
	}
	addDryRun(cmd, &dryRun)
	f.add(cmd)
	return cmd
}
