package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

func (m *Main) clientCommand() *cobra.Command {
	var f adminFlags
	cmd := group(&cobra.Command{Use: "client", Short: "Clients, through the admin API"},
		m.clientSwitch(&f, "disable", "Disable a client; its tokens die everywhere within a second"),
		m.clientSwitch(&f, "enable", "Enable a client again; it has to get new tokens"),
		&cobra.Command{
			Use: "show ID", Short: "Show one client", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return m.withAdmin(&f, func(c *adminclient.Client) error {
					var view admin.ClientView
					if _, err := c.Get(cmd.Context(), clientPath(args[0]), &view); err != nil {
						return err
					}
					return m.printClient(&f, &view)
				})
			},
		},
		m.listCommand(&f, clientRecords, "partner", "trust_bundle", "scope"), m.clientCreate(&f), m.updateCommand(&f, clientRecords),
		m.clientEnroll(&f), m.clientLinks(&f), m.clientUnlink(&f), m.clientSnippet(&f),
	)
	f.add(cmd)
	return cmd
}

func clientPath(id string) string { return "/admin/v1/clients/" + url.PathEscape(id) }

func (m *Main) clientSwitch(f *adminFlags, verb, short string) *cobra.Command {
	var reason string
	var dryRun bool
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"reason": reason}
			if dryRun {
				return m.tryOut(cmd.Context(), f, clientPath(args[0])+"/"+verb, body)
			}
			return m.withAdmin(f, func(c *adminclient.Client) error {
				var view admin.ClientView
				if err := c.Post(cmd.Context(), clientPath(args[0])+"/"+verb, body, &view); err != nil {
					return err
				}
				return m.printClient(f, &view)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &dryRun)
	return cmd
}

func clientState(v *admin.ClientView) string {
	switch {
	case v.Disabled:
		return "disabled"
	case v.PartnerDisabled:
		return "partner disabled"
	case v.KeySet != nil && v.KeySet.Failures > 0:
		return "enabled, jwks_uri fails"
	}
	return "enabled"
}

// keySetState says how it goes with a client's jwks_uri.
func keySetState(k *admin.KeySetView) string {
	if k == nil {
		return ""
	}
	state := "not read yet"
	if k.ReadAt != nil {
		state = "read " + k.ReadAt.Format(time.RFC3339)
	}
	if k.Failures > 0 {
		state += fmt.Sprintf(", failed %d times since, next try %s", k.Failures, k.NextTry.Format(time.RFC3339))
	}
	if k.Problem != "" {
		state += ": " + k.Problem
	}
	return state
}

func (m *Main) printClient(f *adminFlags, v *admin.ClientView) error {
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, v)
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"client", v.ClientID}, {"partner", v.PartnerID}, {"name", v.ClientName}, {"state", clientState(v)},
		{"method", string(v.AuthMethod)}, {"trust bundle", v.TrustBundle},
		{"subject DN", v.SubjectDN}, {"SAN DNS", v.SANDNS}, {"SAN URI", v.SANURI}, {"SAN IP", v.SANIP}, {"SAN email", v.SANEmail},
		{"jwks_uri", v.JWKSURI}, {"key set", keySetState(v.KeySet)},
		{"scope", v.Scope}, {"generation", fmt.Sprint(v.Generation)},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	}
	for _, c := range v.Certificates {
		fmt.Fprintf(w, "certificate\t%s until %s\n", c.Thumbprint, c.NotAfter.Format("2006-01-02"))
	}
	return w.Flush()
}
