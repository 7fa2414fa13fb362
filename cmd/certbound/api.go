package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
)

var apis = &noun{
	word: "protected API", path: "/admin/v1/apis", plural: "apis", id: "id",
	columns: []column{shown("API", "id"), shown("AUDIENCE", "audience"), shown("SCOPES", "scopes")},
	fields:  []string{"id", "audience", "scopes", "token_lifetime_seconds", "signing_alg", "resource_servers", "version", "created_at", "updated_at"},
	members: []member{
		{"audience", "audience", aText, "absolute URI: the aud of its tokens"},
		{"scope", "scopes", aList, "a scope of the API; may be repeated"},
		{"token-lifetime", "token_lifetime_seconds", number, "life of its tokens in seconds, 1 to 3600"},
		{"signing-alg", "signing_alg", aText, "JWS algorithm of its tokens"},
		{"resource-server", "resource_servers", aList, "client_id of a resource server; may be repeated"},
	},
}

func (m *Main) apiCommand() *cobra.Command {
	var f adminFlags
	cmd := group(&cobra.Command{Use: "api", Short: "Protected APIs: audience, scopes, token lifetime"},
		m.listCommand(&f, apis), m.showCommand(&f, apis), m.createCommand(&f, apis), m.updateCommand(&f, apis), m.apiDelete(&f),
	)
	f.add(cmd)
	return cmd
}

func (m *Main) apiDelete(f *adminFlags) *cobra.Command {
	var ifMatch string
	var dryRun bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a protected API whose scopes no client holds", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.withAdmin(f, func(c *adminclient.Client) error {
				tag, err := etagOf(cmd.Context(), c, apis.record(args[0]), ifMatch)
				if err != nil {
					return err
				}
				return m.show(cmd.Context(), f, c, adminclient.Call{
					Method: http.MethodDelete, Path: tried(apis.record(args[0]), dryRun), IfMatch: tag,
				}, nil)
			})
		},
	}
	cmd.Flags().StringVar(&ifMatch, "if-match", "", "ETag of the state that is to be deleted; the present one when absent")
	addDryRun(cmd, &dryRun)
	return cmd
}
