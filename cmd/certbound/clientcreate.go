package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/cmd/certbound/internal/adminclient"
)

// clientRecords are clients for the verbs that all nouns have.
var clientRecords = &noun{
	word: "client", path: "/admin/v1/clients", plural: "clients", id: "client_id",
	columns: []column{
		shown("CLIENT", "client_id"), shown("PARTNER", "partner_id"), {"STATE", stateOf},
		shown("METHOD", "token_endpoint_auth_method"), shown("SCOPE", "scope"),
	},
	fields: []string{
		"client_id", "partner_id", "client_name", "disabled", "partner_disabled", "token_endpoint_auth_method", "trust_bundle",
		"tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip",
		"tls_client_auth_san_email", "jwks_uri", "registered_only", "scope", "certificates", "generation", "version",
	},
	members: []member{
		{"partner", "partner_id", aText, "partner the client belongs to; never changes"},
		{"name", "client_name", aText, "name, for people"},
		{"method", "token_endpoint_auth_method", aText, "tls_client_auth or self_signed_tls_client_auth"},
		{"bundle", "trust_bundle", aText, "trust bundle the client is pinned to"},
		{"subject-dn", "tls_client_auth_subject_dn", aText, "the one subject value: a DN (RFC 4514)"},
		{"san-dns", "tls_client_auth_san_dns", aText, "the one subject value: a DNS name"},
		{"san-uri", "tls_client_auth_san_uri", aText, "the one subject value: a URI, such as a SPIFFE ID"},
		{"san-ip", "tls_client_auth_san_ip", aText, "the one subject value: an IP address"},
		{"san-email", "tls_client_auth_san_email", aText, "the one subject value: an e-mail address"},
		{"jwks-uri", "jwks_uri", aText, "where a self-signed client publishes its certificates"},
		{"scope", "scope", words, "a scope; may be repeated"},
		{"registered-only", "registered_only", aBool, "refuse certificates that are not on record, though the trust bundle accepts them"},
		{"disabled", "disabled", aBool, "the client is not served"},
	},
}

// clientCreate is create with one way more: the certificate says what the client is
// called, so that nobody has to type a DN.
func (m *Main) clientCreate(f *adminFlags) *cobra.Command {
	var b body
	var certificate string
	var selfSigned bool
	cmd := &cobra.Command{
		Use: "create [ID]", Short: "Register a client, best from its certificate", Args: cobra.MaximumNArgs(1),
		Long: `create registers a client. With --from-cert FILE its certificate (or a certificate
signing request) says what it is called: the first SAN URI, else DNS name, else the
whole DN. With --self-signed the certificate itself is registered. Without an ID
the server makes one; it never changes. Warnings go to stderr.`,
		Example: `  certbound client create acme-billing --partner acme --bundle partners --scope accounts:read --from-cert billing.pem`,
		RunE: func(cmd *cobra.Command, args []string) error {
			record, err := b.read()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				record["client_id"] = args[0]
			}
			if selfSigned {
				if err := withCertificate(record, certificate); err != nil {
					return err
				}
			}
			var pem []byte
			if certificate != "" && !selfSigned {
				if pem, err = readPublic(certificate); err != nil {
					return err
				}
			}
			return m.withAdmin(f, func(c *adminclient.Client) error {
				if pem != nil {
					if record, err = m.draft(cmd.Context(), c, record, pem); err != nil {
						return err
					}
				}
				return m.show(cmd.Context(), f, c, b.post(clientRecords.path, record), clientRecords.fields)
			})
		},
	}
	b.add(cmd, clientRecords.members)
	cmd.Flags().StringVar(&certificate, "from-cert", "", "the client's certificate or certificate signing request (PEM), without its key")
	cmd.Flags().BoolVar(&selfSigned, "self-signed", false, "register the certificate itself (self_signed_tls_client_auth)")
	fileFlags(cmd, []string{"pem", "crt", "cer", "csr"}, "from-cert")
	return cmd
}

// withCertificate registers a certificate in jwks.
func withCertificate(record map[string]any, path string) error {
	if path == "" {
		return errors.New("--self-signed needs --from-cert")
	}
	leaf, err := readCertificate(path)
	if err != nil {
		return err
	}
	client, err := admin.SelfSigned("", "", leaf)
	if err != nil {
		return err
	}
	record["token_endpoint_auth_method"], record["jwks"] = client.AuthMethod, client.JWKS
	return nil
}

// draft asks the server what the certificate would be registered as, and lays what
// the caller says over it.
func (m *Main) draft(ctx context.Context, c *adminclient.Client, record map[string]any, pem []byte) (map[string]any, error) {
	question := map[string]any{"certificate": string(pem)}
	for _, name := range []string{"client_id", "partner_id", "trust_bundle", "scope"} {
		if value, ok := record[name]; ok {
			question[name] = value
		}
	}
	answer, err := c.Do(ctx, adminclient.Call{Method: http.MethodPost, Path: clientRecords.path + "/from-certificate", Body: question})
	if err != nil {
		return nil, err
	}
	var found struct {
		Draft    map[string]any `json:"draft"`
		Warnings []any          `json:"warnings"`
	}
	if err := json.Unmarshal(answer.Body, &found); err != nil {
		return nil, err
	}
	m.printWarnings(map[string]any{"warnings": found.Warnings})
	if found.Draft == nil {
		return nil, errors.New("the certificate has no name that a client can be registered with")
	}
	maps.Copy(found.Draft, record)
	return found.Draft, nil
}
