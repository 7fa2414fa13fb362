package inspect

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Request says against what a certificate is verified.
type Request struct {
	// Bundle is the trust bundle of a tls_client_auth client; not needed for a
	// self-signed one.
	Bundle *trust.Spec
	// Client is what the certificate has to match; without one, only the path is
	// verified.
	Client *registration.Registered
	Now    time.Time
}

// Verdict is what an authorization server would say.
type Verdict struct {
	Accepted bool            `json:"accepted"`
	Reason   decision.Reason `json:"reason,omitempty"`
	Expected string          `json:"expected,omitempty"`
	Seen     string          `json:"seen,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Checked  string          `json:"checked"` // what the verdict covers
	Warnings []string        `json:"warnings,omitempty"`
}

// anybody is the client when none is given.
const anybody = "certificate"

// Verify asks the authenticator of the authorization server whether it accepts
// the certificate and the chain sent with it. Revocation is not known here. An
// error means that the question cannot be asked.
func Verify(f *certinfo.File, q Request) (*Verdict, error) {
	records, set, err := q.world()
	if err != nil {
		return nil, err
	}
	authenticator, err := clientauth.New(clientauth.Config{Records: records, Trust: set, Clock: func() time.Time { return q.Now }})
	if err != nil {
		return nil, err
	}
	r := &http.Request{TLS: &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: f.Certificates}}
	_, refusal := authenticator.AuthenticateAs(r.WithContext(context.Background()), records.client.ID, &decision.Evidence{})
	v := &Verdict{Accepted: true, Checked: "validity, strength, path, usage and subject value"}
	if records.client.Method == storage.SelfSignedTLSClientAuth {
		v.Checked = "validity, strength and equality with a registered certificate"
	}
	if q.Client == nil {
		v.Checked = "validity, strength, path and usage; no subject value was given"
	}
	if refusal != nil && (q.Client != nil || refusal.Reason != decision.SubjectMismatch) { // the last check
		v.refuse(refusal)
	}
	v.Warnings = q.unregistrable()
	return v, nil
}

func (v *Verdict) refuse(refusal *oauth.Error) {
	v.Accepted, v.Reason = false, refusal.Reason
	v.Expected, v.Seen, v.Detail = refusal.Expected, refusal.Seen, refusal.Detail
}

// world is a server that knows one client and one bundle.
func (q Request) world() (*records, *trust.Set, error) {
	known := &records{client: storage.Client{ID: anybody, Method: storage.TLSClientAuth}}
	if q.Client != nil {
		known.client, known.certificates = q.Client.Client, q.Client.Certificates
		known.client.Disabled, known.client.PartnerDisabled = false, false // it is the certificate that is asked about
	}
	if known.client.Method == storage.SelfSignedTLSClientAuth {
		return known, trust.NewSet(nil, nil), nil
	}
	if q.Bundle == nil {
		return nil, nil, fmt.Errorf("inspect: no trust bundle is given for a client of method %s", known.client.Method)
	}
	bundle, err := trust.Load(*q.Bundle)
	if err != nil {
		return nil, nil, err
	}
	known.client.TrustBundle = bundle.Name()
	return known, trust.NewSet([]*trust.Bundle{bundle}, nil), nil
}

// unregistrable is why the bundle could not be registered today although it can
// be verified against.
func (q Request) unregistrable() []string {
	if q.Bundle == nil {
		return nil
	}
	if _, err := trust.New(*q.Bundle, q.Now); err != nil {
		return []string{"the bundle could not be registered today: " + err.Error()}
	}
	return nil
}

// records is what the authenticator looks up: nothing is stored here. The methods
// that it has no use for are those of a nil interface.
type records struct {
	clientauth.Records
	client       storage.Client
	certificates []storage.Certificate
}

// Client knows the one client.
func (r *records) Client(_ context.Context, id string) (storage.Client, error) {
	if id != r.client.ID {
		return storage.Client{}, storage.ErrNotFound
	}
	return r.client, nil
}

// ClientCertificates are those of the registration.
func (r *records) ClientCertificates(context.Context, string) ([]storage.Certificate, error) {
	return r.certificates, nil
}

// Certificate is what else is known of one, which only the server can say.
func (r *records) Certificate(context.Context, thumbprint.Thumbprint) (storage.Certificate, error) {
	return storage.Certificate{}, storage.ErrNotFound
}

// CertificateDenied is not known without the server.
func (r *records) CertificateDenied(context.Context, thumbprint.Thumbprint) (bool, error) {
	return false, nil
}

// Text writes the verdict for a terminal.
func (v *Verdict) Text(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(title, value string) {
		if value != "" {
			fmt.Fprintf(out, "%s\t%s\n", title, cli.Plain(value))
		}
	}
	verdict := "would be accepted"
	if !v.Accepted {
		verdict = "would be refused"
	}
	line("verdict", verdict)
	line("reason", string(v.Reason))
	line("expected", v.Expected)
	line("seen", v.Seen)
	line("detail", v.Detail)
	line("checked", v.Checked)
	line("not checked", "revocation; whether the client and its partner are enabled")
	for _, warning := range v.Warnings {
		line("warning", warning)
	}
	return out.Flush()
}
