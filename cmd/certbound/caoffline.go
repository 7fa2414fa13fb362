package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

var enrollmentIssuers = &noun{
	word: "online CA", path: "/admin/v1/enrollment-issuers", plural: "enrollment issuers", id: "trust_bundle",
	columns: []column{
		shown("TRUST BUNDLE", "trust_bundle"), shown("SUBJECT", "subject"), shown("UNTIL", "not_after"), {"SIGNS FOR", signsFor}, shown("ONLINE SINCE", "created_at"),
	},
	fields: []string{"trust_bundle", "subject", "issuer", "serial", "x5t#S256", "permitted_dns", "permitted_uri", "not_before", "not_after", "chain", "created_at"},
}

// signsFor is what the name constraints let a CA sign.
func signsFor(record map[string]any) string {
	return strings.TrimSpace("dns:" + cellText(record["permitted_dns"]) + " uri:" + cellText(record["permitted_uri"]))
}

// caIssuersCommands list and remove what is online, through the admin API.
func (m *Main) caIssuersCommands() []*cobra.Command {
	var f adminFlags
	list, show, offline := m.listCommand(&f, enrollmentIssuers), m.showCommand(&f, enrollmentIssuers), m.caOffline(&f)
	show.Use, show.Short = "show TRUST-BUNDLE", "Show the CA that signs for a trust bundle"
	issuers := group(&cobra.Command{Use: "issuers", Short: "The CAs that are online, through the admin API"}, list, show)
	f.add(issuers)
	f.add(offline)
	return []*cobra.Command{issuers, offline}
}

func (m *Main) caOffline(f *adminFlags) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "offline TRUST-BUNDLE", Short: "Let a CA sign no more enrolment links and renewals, from now on", Args: cobra.ExactArgs(1),
		Long: `offline removes a CA that "ca online" put into the database, its sealed key included.
Nothing is signed with it from then on, not even what was being signed; links that are
out wait for another one. Certificates it has signed stay as they are: revoke those
that should not, with "cert revoke". It asks for admin:security, and is an audit event.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				path := enrollmentIssuers.record(args[0])
				answer, err := c.Do(cmd.Context(), adminclient.Call{Method: http.MethodDelete, Path: tried(path, dryRun)})
				if err != nil {
					return err
				}
				if dryRun {
					return m.printAnswer(f, answer.Body, nil)
				}
				_, err = fmt.Fprintf(m.Stderr, "nothing is signed for trust bundle %s any more\n", cli.Plain(args[0]))
				return err
			})
		},
	}
	addDryRun(cmd, &dryRun)
	return cmd
}
