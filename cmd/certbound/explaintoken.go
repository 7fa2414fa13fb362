package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/explain"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/jwks"
	"github.com/certbound/certbound/resource/proxy"
)

type explainTokenFlags struct {
	token, cert, previous string
	jwks, issuer, ca      string
	audience, scope       string
	leeway                time.Duration
	at                    moment
	output                cli.OneOf
}

func (m *Main) explainTokenCommand() *cobra.Command {
	f := explainTokenFlags{output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}}
	cmd := &cobra.Command{
		Use:   "token --token-file FILE --cert FILE",
		Short: "Make every check of a resource server on a token and a certificate, and say what it saw",
		Long: `token makes the checks of the verifier one by one and goes on after one has failed.
What was not given is not checked: the signature needs the issuer's keys, from a
file (--jwks) or fetched (--issuer with --ca); nothing else is ever fetched, and
revocation is not checked. The token and its signature are not printed.

It ends with 0 when no check has failed, with 3 when the token would be refused.
- as the file is standard input; a token does not belong in an argument, where
other users of the machine can see it.`,
		Example: `  certbound explain token --token-file - --cert client.pem --audience https://api.example.com < token`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return m.explainToken(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.token, "token-file", "", "file with the token; - is standard input")
	flags.StringVar(&f.cert, "cert", "", "certificate the token is used with, and its chain (PEM or DER)")
	flags.StringVar(&f.previous, "previous-cert", "", "certificate the client had before")
	flags.StringVar(&f.jwks, "jwks", "", "the issuer's keys (JWK Set)")
	flags.StringVar(&f.issuer, "issuer", "", "what iss has to be; with --ca its keys are fetched")
	flags.StringVar(&f.ca, "ca", "", "roots that sign the issuer's server certificate (PEM)")
	flags.StringVar(&f.audience, "audience", "", "what aud has to be")
	flags.StringVar(&f.scope, "scope", "", "scopes the route needs, separated by spaces")
	flags.DurationVar(&f.leeway, "leeway", resource.DefaultLeeway, "tolerance for iat and nbf, at most 30s")
	flags.Var(&f.at, "at", "judge as of this time (RFC 3339) instead of now")
	outputFlag(cmd, &f.output)
	fileFlags(cmd, []string{"pem", "crt", "cer"}, "cert", "previous-cert", "ca")
	fileFlags(cmd, []string{"json", "jwks"}, "jwks")
	for _, name := range []string{"token-file", "cert"} {
		must(cmd.MarkFlagRequired(name))
	}
	cmd.MarkFlagsMutuallyExclusive("jwks", "ca")
	return cmd
}

func (m *Main) explainToken(ctx context.Context, f *explainTokenFlags) error {
	request, err := f.request()
	if err != nil {
		return err
	}
	report, err := explain.Explain(ctx, request)
	if err != nil {
		return err
	}
	if f.output.Value == "json" {
		err = cli.JSON(m.Stdout, report)
	} else {
		err = report.Text(m.Stdout)
	}
	switch {
	case err != nil:
		return err
	case report.Unreachable():
		return cli.Exit(cli.Refused, errors.New("explain token: the issuer's keys could not be fetched"))
	case !report.Accepted:
		return cli.Exit(cli.Failed, fmt.Errorf("explain token: %s", report.Reason))
	}
	return nil
}

func (f *explainTokenFlags) request() (explain.Request, error) {
	q := explain.Request{Issuer: f.issuer, Audience: f.audience, Scopes: scopes(f.scope), Leeway: f.leeway, Now: f.at.or(time.Now())}
	if f.leeway == 0 {
		q.Leeway = resource.NoLeeway
	}
	certificates, err := readCertificates(f.cert)
	if err != nil {
		return q, err
	}
	q.Certificates = certificates.Certificates
	if f.previous != "" {
		previous, err := readCertificates(f.previous)
		if err != nil {
			return q, err
		}
		q.Previous = previous.Leaf()
	}
	if q.Keys, err = f.keys(); err != nil {
		return q, err
	}
	q.Token, err = readFile(f.token)
	return q, err
}

// keys are the issuer's, or nil when nothing says where to get them.
func (f *explainTokenFlags) keys() (resource.KeySource, error) {
	switch {
	case f.jwks != "":
		data, err := readFile(f.jwks)
		if err != nil {
			return nil, err
		}
		set, err := jwks.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.jwks, err)
		}
		return set, nil
	case f.ca == "":
		return nil, nil //nolint:nilnil // the signature is not checked
	case f.issuer == "":
		return nil, errors.New("explain token: --ca says how to reach the issuer, but there is no --issuer")
	}
	roots, err := config.ReadRoots(config.Path(f.ca))
	if err != nil {
		return nil, err
	}
	transport := proxy.NewTransport()
	transport.TLSClientConfig.RootCAs = roots
	return jwks.New(jwks.Config{
		Issuer: f.issuer, HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		Logger: slog.New(slog.DiscardHandler), // the report says it
	})
}
