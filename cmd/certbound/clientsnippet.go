package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/snippet"
)

func (m *Main) clientSnippet(f *adminFlags) *cobra.Command {
	var d snippet.Data
	var issuer string
	language := cli.OneOf{Value: "curl", Allowed: snippet.Languages()}
	cmd := &cobra.Command{
		Use:   "snippet ID --lang LANGUAGE --api-url URL",
		Short: "Print code that gets a token as the client and calls an API with it",
		Long: `snippet prints a program for the client's team that works as printed, with nothing
but the language's own library. Issuer and scopes come from the admin API; with
--issuer nobody is asked.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.ClientID = args[0]
			if issuer == "" {
				err := m.withAdmin(f, func(c *adminclient.Client) error {
					var about admin.IssuerView
					if _, err := c.Get(cmd.Context(), "/admin/v1/issuer", &about); err != nil {
						return err
					}
					var view admin.ClientView
					if _, err := c.Get(cmd.Context(), clientPath(args[0]), &view); err != nil {
						return err
					}
					issuer = about.Issuer
					if d.Scope == "" {
						d.Scope = view.Scope
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			d.TokenEndpoint = strings.TrimSuffix(issuer, "/") + oauth.PathToken
			return snippet.Write(m.Stdout, language.Value, d)
		},
	}
	flags := cmd.Flags()
	flags.Var(&language, "lang", "language")
	flags.StringVar(&d.API, "api-url", "", "URL that is called with the token")
	flags.StringVar(&issuer, "issuer", "", "issuer URL; without it the admin API is asked")
	flags.StringVar(&d.Scope, "scope", "", "scopes to ask for, separated by spaces; without it all of the client's")
	flags.StringVar(&d.Cert, "client-cert", "client.pem", "file with the client's certificate, as the code is to name it")
	flags.StringVar(&d.Key, "client-key", "client.key", "file with its private key, as the code is to name it")
	flags.StringVar(&d.CA, "server-ca", "ca.pem", "file with the roots of the servers, as the code is to name it")
	must(cmd.MarkFlagRequired("api-url"))
	must(cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(language.Allowed, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}
