package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/tokenclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

type tokenFlags struct {
	client        tokenclient.Config
	cert, key, ca string
	scope         string
	resource      string
	output        cli.OneOf
}

func (m *Main) tokenCommand() *cobra.Command {
	f := tokenFlags{output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}}
	cmd := &cobra.Command{
		Use:   "token (--issuer URL | --token-endpoint URL) --client-id ID --cert FILE --key FILE --ca FILE",
		Short: "Get an access token with a client certificate",
		Example: `  certbound token --issuer https://localhost:8443 --client-id acme-billing \
    --cert pki/acme-billing.pem --key pki/acme-billing.key --ca pki/ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.token(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.client.Issuer, "issuer", "", "issuer URL; its metadata names the token endpoint")
	flags.StringVar(&f.client.TokenEndpoint, "token-endpoint", "", "token endpoint URL, instead of --issuer")
	flags.StringVar(&f.client.ClientID, "client-id", "", "client_id")
	flags.StringVar(&f.cert, "cert", "", "client certificate (PEM), followed by its intermediates")
	flags.StringVar(&f.key, "key", "", "private key of the certificate (PEM)")
	flags.StringVar(&f.ca, "ca", "", "roots that sign the server's certificate (PEM)")
	flags.StringVar(&f.scope, "scope", "", "scopes to ask for, separated by spaces; default all of the client's")
	flags.StringVar(&f.resource, "resource", "", "API the token is for (RFC 8707)")
	flags.VarP(&f.output, "output", "o", "what to print: the bare token (table), or the whole answer (json)")
	for _, name := range []string{"client-id", "cert", "key", "ca"} {
		must(cmd.MarkFlagRequired(name))
	}
	cmd.MarkFlagsOneRequired("issuer", "token-endpoint")
	cmd.MarkFlagsMutuallyExclusive("issuer", "token-endpoint")
	return cmd
}

func (m *Main) token(ctx context.Context, f *tokenFlags) error {
	var err error
	if f.client.RootCAs, err = config.ReadRoots(config.Path(f.ca)); err != nil {
		return err
	}
	if f.client.Certificate, err = tls.LoadX509KeyPair(f.cert, f.key); err != nil {
		return fmt.Errorf("token: %s, %s: %w", f.cert, f.key, err)
	}
	client, err := tokenclient.New(f.client)
	if err != nil {
		return err
	}
	defer client.Close()
	token, err := client.Token(ctx, tokenclient.Request{Scopes: scopes(f.scope), Resource: f.resource})
	if err != nil {
		return cli.Exit(cli.Refused, explainRefusal(err))
	}
	if f.output.Value == "json" {
		return cli.JSON(m.Stdout, token)
	}
	_, err = fmt.Fprintln(m.Stdout, token.AccessToken)
	return err
}

// scopes splits on the space only, RFC 6749 §3.3.
func scopes(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, " ")
}

// explainRefusal sets out what the server said, one member a line.
func explainRefusal(err error) error {
	var refusal *tokenclient.Error
	if !errors.As(err, &refusal) {
		return err
	}
	text := fmt.Sprintf("token: refused with status %d", refusal.Status)
	for _, member := range []struct{ name, value string }{
		{"error", refusal.Code}, {"description", refusal.Description},
		{"reason", refusal.Reason}, {"request_id", refusal.RequestID},
	} {
		if member.value != "" {
			text += fmt.Sprintf("\n  %-12s %s", member.name, member.value)
		}
	}
	return errors.New(text)
}
