package selftest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/keys/thumbprint"
)

// impersonation is what a token for the wrong hands is good for.
const impersonation = "whoever knows the client id can be this client"

// issued judges an answer to a token request that must not be granted.
func issued(a answer) (Outcome, string) {
	if a.accessToken() != "" {
		return Hole, "a token was issued"
	}
	return a.refused(), a.say()
}

func (b *bench) tokenProbes() []probe {
	all := []probe{
		{"token.bound", "the token is bound to the client's certificate (RFC 8705 §3.1)", "a token that is stolen can be used by the thief",
			func(context.Context, *bench) (Outcome, string) { return b.bound() }},
		b.asProbe("token.no_certificate", "the client id without a certificate", nil),
		b.asProbe("token.namesake", "a certificate of the same names by an authority of the same name", b.forged.namesake),
		b.asProbe("token.namesake_alone", "the same without that authority", b.forged.alone),
		b.asProbe("token.self_signed", "a certificate of the same names, signed by its own key", b.forged.self),
		b.asProbe("token.v1", "the same as X.509 v1", b.forged.v1),
		b.asProbe("token.expired", "the same, expired", b.forged.expired),
		b.asProbe("token.ca_true", "the same with CA:TRUE", b.forged.authority),
		b.asProbe("token.by_client", "a certificate signed by the client's own certificate", b.forged.byClient),
	}
	if b.Other != nil {
		all = append(all, b.asProbe("token.other_client", "the client id with another client's certificate", b.Other))
	} else {
		all = append(all, skipped("token.other_client", "the client id with another client's certificate"))
	}
	return append(all, b.requestProbes()...)
}

func skipped(name, title string) probe {
	return probe{name, title, "", func(context.Context, *bench) (Outcome, string) {
		return Skipped, "needs --other-cert and --other-key"
	}}
}

// bound compares cnf with the certificate that the token was asked for with.
func (b *bench) bound() (Outcome, string) {
	p, err := takeApart(b.token)
	if err != nil {
		return Skipped, err.Error() + "; only introspection can tell"
	}
	leaf, err := x509.ParseCertificate(b.Certificate.Certificate[0])
	if err != nil {
		return Unclear, err.Error()
	}
	switch want, seen := thumbprint.Of(leaf).String(), p.thumbprint(); seen {
	case want:
		return OK, seen
	case "":
		return Hole, "there is no cnf with x5t#S256"
	default:
		return Hole, "cnf has " + seen + " instead of " + want
	}
}

func (b *bench) asProbe(name, title string, as *tls.Certificate) probe {
	return probe{name, title, impersonation, func(ctx context.Context, _ *bench) (Outcome, string) {
		return issued(b.send(ctx, post(b.meta.Token, b.form(), as)))
	}}
}

// requestProbes are of requests that a reader downstream could take in two ways,
// or that bring a second credential.
func (b *bench) requestProbes() []probe {
	of := func(name, title, danger string, make func() call) probe {
		return probe{"token." + name, title, danger, func(ctx context.Context, _ *bench) (Outcome, string) {
			return issued(b.send(ctx, make()))
		}}
	}
	good := func() call { return post(b.meta.Token, b.form(), &b.Certificate) }
	const twoReadings = "a gateway in front and the server may read two different requests"
	const twoCredentials = "the weaker of two credentials may decide (RFC 6749 §2.3)"
	basic := http.Header{
		"Content-Type":  {"application/x-www-form-urlencoded"},
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(b.ClientID)+":selftest"))},
	}
	return []probe{
		of("repeated_client_id", "client_id twice", twoReadings, func() call {
			return post(b.meta.Token, b.form("client_id", "selftest"), &b.Certificate)
		}),
		of("repeated_grant_type", "grant_type twice", twoReadings, func() call {
			return post(b.meta.Token, b.form("grant_type", "client_credentials"), &b.Certificate)
		}),
		of("get", "a token request by GET", "parameters end in logs and in caches (RFC 6749 §3.2)", func() call {
			return call{method: http.MethodGet, url: b.meta.Token + "?" + b.form().Encode(), as: &b.Certificate}
		}),
		of("query", "the parameters in the query of a POST", twoReadings, func() call {
			c := good()
			c.url, c.body = c.url+"?"+c.body, ""
			return c
		}),
		of("multipart", "a multipart body", twoReadings, func() call { return b.multipart() }),
		of("json", "a JSON body", twoReadings, func() call {
			c := good()
			c.header, c.body = http.Header{"Content-Type": {"application/json"}}, `{"grant_type":"client_credentials","client_id":"`+b.ClientID+`"}`
			return c
		}),
		of("basic_secret", "a secret in Basic beside the certificate", twoCredentials, func() call {
			c := good()
			c.header = basic
			return c
		}),
		of("basic_secret_alone", "a secret in Basic and no certificate", impersonation, func() call {
			c := good()
			c.header, c.as = basic, nil
			return c
		}),
		of("client_secret", "a client_secret beside the certificate", twoCredentials, func() call {
			return post(b.meta.Token, b.form("client_secret", "selftest"), &b.Certificate)
		}),
		of("oversized", "a body of 256 KiB", "strangers can make the server read and keep what they like", func() call {
			return post(b.meta.Token, b.form("selftest", strings.Repeat("a", 256<<10)), &b.Certificate)
		}),
	}
}

func (b *bench) multipart() call {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, values := range b.form() {
		_ = w.WriteField(name, values[0]) // a buffer takes everything
	}
	_ = w.Close()
	return call{
		method: http.MethodPost, url: b.meta.Token, body: body.String(), as: &b.Certificate,
		header: http.Header{"Content-Type": {w.FormDataContentType()}},
	}
}
