package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

var linkFields = []string{"id", "client_id", "trust_bundle", "san", "lifetime_seconds", "created_by", "created_at", "expires_at", "used_at", "x5t#S256"}

func (m *Main) clientEnroll(f *adminFlags) *cobra.Command {
	var lifetime, validity time.Duration
	cmd := &cobra.Command{
		Use:   "enroll ID",
		Short: "Make a link by which the client has one certificate signed",
		Long: `enroll prints a link for the client's team alone: whoever has it gets the client's
certificate, once, before it expires. The secret in it is shown this once. The
certificate's name, trust bundle and lifetime are fixed by it. There they run:

  certbound cert enroll 'LINK' --key FILE --cert FILE --ca FILE`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				body := admin.EnrollmentBody{
					ClientID: args[0], LifetimeSeconds: int64(lifetime / time.Second), ValiditySeconds: int64(validity / time.Second),
				}
				var made admin.NewEnrollment
				if err := c.Post(cmd.Context(), "/admin/v1/enrollments", body, &made); err != nil {
					return err
				}
				if f.output.Value == "json" {
					return cli.JSON(m.Stdout, made)
				}
				fmt.Fprintf(m.Stderr, "link %s for %s (%s), good until %s\n", made.ID, made.ClientID, made.SAN, made.ExpiresAt.Format(time.RFC3339))
				_, err := fmt.Fprintln(m.Stdout, made.URL)
				return err
			})
		},
	}
	cmd.Flags().DurationVar(&lifetime, "lifetime", enroll.DefaultLifetime, "life of the certificate")
	cmd.Flags().DurationVar(&validity, "valid-for", enroll.DefaultValidity, "how long the link may be used")
	return cmd
}

func (m *Main) clientLinks(f *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use: "links ID", Short: "List the enrolment links of a client", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				all, err := pagesOf(cmd.Context(), c, clientPath(args[0])+"/enrollments", "enrollments")
				if err != nil {
					return err
				}
				return m.printList(f, []column{
					shown("LINK", "id"), shown("SAN", "san"), shown("CREATED", "created_at"), shown("EXPIRES", "expires_at"), shown("USED", "used_at"), shown("X5T#S256", "x5t#S256"),
				}, all)
			})
		},
	}
}

func (m *Main) clientUnlink(f *adminFlags) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "cancel-link LINK", Short: "Let an unused enrolment link end now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.call(cmd.Context(), f, adminclient.Call{
				Method: http.MethodPost, Path: "/admin/v1/enrollments/" + args[0] + "/cancel", Body: map[string]string{"reason": reason},
			}, linkFields)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	return cmd
}
