package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/inspect"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

type certVerifyFlags struct {
	bundle, issuers, intermediates string
	registration, clientID, match  string
	maxDepth                       int
	at                             moment
	output                         cli.OneOf
}

func (m *Main) certVerifyCommand() *cobra.Command {
	f := certVerifyFlags{output: cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}}
	cmd := &cobra.Command{
		Use:   "verify --bundle ANCHORS.pem [--client REGISTRATION | --match KIND=VALUE] FILE",
		Short: "Say whether an authorization server would accept a client certificate, before it is sent out",
		Long: `verify runs the authentication of the authorization server over a certificate and the
chain in the same file. It ends with 0 when the certificate would be accepted and
with 3 when it would be refused, with the reason that the server would log.
Revocation is known to the server only.`,
		Example: `  certbound cert verify --bundle partners.pem --match san_uri=spiffe://partners.example/acme/billing acme-billing.pem
  certbound cert verify --client seed.yaml --client-id acme-billing acme-billing.pem`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return m.certVerify(&f, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.bundle, "bundle", "", "anchors of the trust bundle (PEM); may be left out when the registration holds the bundle")
	flags.StringVar(&f.issuers, "issuers", "", "authorities of which one must have signed the certificate itself (PEM)")
	flags.StringVar(&f.intermediates, "intermediates", "", "authorities that the bundle holds to help find a path (PEM)")
	flags.IntVar(&f.maxDepth, "max-depth", 0, "most intermediates between certificate and anchor; 0 means the default")
	flags.StringVar(&f.registration, "client", "", "registration of the client: a seed file, or the body of one client (YAML or JSON)")
	flags.StringVar(&f.clientID, "client-id", "", "which client of the registration")
	flags.StringVar(&f.match, "match", "", "subject value to match: subject_dn=…, san_dns=…, san_uri=…, san_ip=… or san_email=…")
	flags.Var(&f.at, "at", "judge as of this time (RFC 3339) instead of now")
	outputFlag(cmd, &f.output)
	fileFlags(cmd, []string{"pem", "crt", "cer"}, "bundle", "issuers", "intermediates")
	fileFlags(cmd, []string{"yaml", "yml", "json"}, "client")
	must(cmd.RegisterFlagCompletionFunc("match", cobra.FixedCompletions(
		[]string{"san_uri=", "san_dns=", "subject_dn=", "san_ip=", "san_email="}, cobra.ShellCompDirectiveNoSpace)))
	cmd.MarkFlagsMutuallyExclusive("client", "match")
	cmd.MarkFlagsOneRequired("bundle", "client")
	return cmd
}

func (m *Main) certVerify(f *certVerifyFlags, path string) error {
	file, err := readCertificates(path)
	if err != nil {
		return err
	}
	request := inspect.Request{Now: f.at.or(time.Now())}
	if request.Client, err = f.client(); err != nil {
		return err
	}
	if request.Client != nil {
		request.Bundle = request.Client.Bundle
	}
	if f.bundle != "" {
		if request.Bundle, err = f.spec(); err != nil {
			return err
		}
	}
	verdict, err := inspect.Verify(file, request)
	if err != nil {
		return err
	}
	if f.output.Value == "json" {
		err = cli.JSON(m.Stdout, verdict)
	} else {
		err = verdict.Text(m.Stdout)
	}
	if err == nil && !verdict.Accepted {
		err = cli.Exit(cli.Failed, fmt.Errorf("cert verify: %s", verdict.Reason))
	}
	return err
}

// spec is the bundle the flags describe. It has the name of its file in messages.
func (f *certVerifyFlags) spec() (*trust.Spec, error) {
	spec := &trust.Spec{Name: f.bundle, Version: 1, MaxDepth: f.maxDepth}
	for _, one := range []struct {
		path string
		into *[]byte
	}{{f.bundle, &spec.Anchors}, {f.issuers, &spec.Issuers}, {f.intermediates, &spec.Intermediates}} {
		if one.path == "" {
			continue
		}
		data, err := readFile(one.path)
		if err != nil {
			return nil, err
		}
		*one.into = data
	}
	return spec, nil
}

// client is the client the flags describe, or nil for none.
func (f *certVerifyFlags) client() (*registration.Registered, error) {
	switch {
	case f.match != "":
		kind, value, found := strings.Cut(f.match, "=")
		if !found {
			return nil, fmt.Errorf("cert verify: --match %q is not KIND=VALUE", f.match)
		}
		matcher, err := clientauth.NewMatcher(storage.MatcherKind(kind), value)
		if err != nil {
			return nil, err
		}
		return &registration.Registered{Client: storage.Client{ID: "match", Method: storage.TLSClientAuth, Matcher: matcher}}, nil
	case f.registration == "":
		return nil, nil //nolint:nilnil // no client is asked about
	}
	data, err := readFile(f.registration)
	if err != nil {
		return nil, err
	}
	set, err := decodeRegistration(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.registration, err)
	}
	found, err := set.Lookup(f.clientID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.registration, err)
	}
	return found, nil
}

// decodeRegistration reads a seed file, or the body of one client as the admin
// API takes it.
func decodeRegistration(data []byte) (*registration.Set, error) {
	set, err := registration.Decode(data)
	if err == nil {
		return set, nil
	}
	var one registration.Client
	if bodyErr := yaml.UnmarshalWithOptions(data, &one, yaml.Strict()); bodyErr != nil || one.ClientID == "" {
		return nil, err
	}
	if one.AuthMethod == "" {
		return nil, errors.New("token_endpoint_auth_method is missing")
	}
	return &registration.Set{Clients: []registration.Client{one}}, nil
}
