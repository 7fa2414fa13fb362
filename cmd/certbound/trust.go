package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
)

var bundles = &noun{
	word: "trust bundle", path: "/admin/v1/trust-bundles", plural: "trust bundles", id: "name",
	columns: []column{
		shown("BUNDLE", "name"), shown("VERSION", "version"), shown("STATUS", "status"),
		shown("BY", "created_by"), shown("SINCE", "created_at"), shown("CONTENT", "content_hash"),
	},
	fields: []string{
		"name", "version", "status", "anchors", "intermediates", "issuers", "max_depth", "allow_public_roots",
		"content_hash", "created_by", "created_at",
	},
	members: []member{
		{"anchors", "anchors", aFile, "the authorities that are trusted"},
		{"intermediates", "intermediates", aFile, "help to find a path, trusted for nothing"},
		{"issuers", "issuers", aFile, "one of these must have signed the client's certificate"},
		{"max-depth", "max_depth", number, "most authorities between certificate and anchor"},
		{"allow-public-roots", "allow_public_roots", aBool, "admit authorities that everybody can get a certificate from"},
	},
}

func (m *Main) trustCommand() *cobra.Command {
	var f adminFlags
	versions := &cobra.Command{
		Use: "versions NAME", Short: "List all versions of a trust bundle", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(&f, func(c *adminclient.Client) error {
				all, err := pagesOf(cmd.Context(), c, bundles.record(args[0])+"/versions", "versions")
				if err != nil {
					return err
				}
				return m.printList(&f, bundles.columns, all)
			})
		},
	}
	cmd := group(&cobra.Command{Use: "trust", Short: "Trust bundles: which authorities a client's certificate must chain to"},
		m.listCommand(&f, bundles), m.showCommand(&f, bundles), m.createCommand(&f, bundles), m.updateCommand(&f, bundles),
		versions, m.trustRollback(&f),
		m.verbCommand(&f, bundles, "retire", "Leave no version in force: every client of the bundle is refused", true),
		m.proposalsCommand(&f), m.proposalCommand(&f),
		m.decideCommand(&f, "approve", "Make the change that another administrator has proposed"),
		m.decideCommand(&f, "reject", "End a proposal of another administrator"),
		m.withdrawCommand(&f),
	)
	f.add(cmd)
	return cmd
}

func (m *Main) trustRollback(f *adminFlags) *cobra.Command {
	var reason string
	var b body
	cmd := &cobra.Command{
		Use: "rollback NAME VERSION", Short: "Put the content of an earlier version in force, as a new version", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no version; see: certbound trust versions %s", args[1], args[0])
			}
			content := map[string]any{"version": version}
			if reason != "" {
				content["reason"] = reason
			}
			return m.call(cmd.Context(), f, b.post(bundles.record(args[0])+"/rollback", content), bundles.fields)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit event")
	addDryRun(cmd, &b.dryRun)
	return cmd
}
