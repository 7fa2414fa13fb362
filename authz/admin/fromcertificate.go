package admin

import (
	"context"
	"strings"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// FromCertificateBody is a certificate, or a request for one, of a client that is to
// be registered.
type FromCertificateBody struct {
	Certificate string `json:"certificate" doc:"PEM: the client's certificate (a chain may follow), or a certificate signing request. Never with the private key."`
	// What is known of the client already goes into the draft.
	ClientID    string `json:"client_id,omitempty"`
	PartnerID   string `json:"partner_id,omitempty"`
	TrustBundle string `json:"trust_bundle,omitempty"`
	Scope       string `json:"scope,omitempty"`
}

// FromCertificate is what a certificate says of the client that has it.
type FromCertificate struct {
	Kind        string               `json:"kind" enum:"certificate,request"`
	Certificate certinfo.Certificate `json:"certificate" doc:"Of a request only subject, names, key and usages mean anything."`
	// Draft is a registration to be completed and sent to POST /admin/v1/clients. It
	// has the first name that can be registered: SAN URI, then DNS, then the full DN.
	Draft    *registration.Client `json:"draft,omitempty" doc:"The registration it would give: to be completed and sent to POST /admin/v1/clients. Absent when no name of the certificate can be registered."`
	Warnings []Warning            `json:"warnings"`
}

// fromCertificate looks at a certificate and registers nothing: whoever reads the
// answer decides.
func fromCertificate(h *Handler, c *call) (*answer, error) {
	var body FromCertificateBody
	bad, err := h.read(c, &body)
	if err != nil {
		return nil, err
	}
	file, err := certinfo.Read([]byte(body.Certificate))
	switch {
	case strings.Contains(body.Certificate, "PRIVATE KEY-----"):
		bad.At("/certificate", privateKeySent)
	case err != nil:
		bad.At("/certificate", refusal.Unquoted(err.Error()))
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	report := certinfo.New(file, c.now)
	out := FromCertificate{Kind: "certificate", Certificate: report.Certificates[0], Warnings: []Warning{}}
	if file.Requested {
		out.Kind = "request"
	}
	for _, w := range report.Warnings {
		out.Warnings = append(out.Warnings, Warning{Code: w.Code, Text: w.Text})
	}
	if suggested := out.Certificate.Suggested; suggested != nil {
		draft, more, err := body.draft(c.Context(), h.Store, suggested)
		if err != nil {
			return nil, err
		}
		out.Draft, out.Warnings = draft, append(out.Warnings, more...)
	}
	return &answer{body: out}, nil
}

// draft is the registration, with what the records have to say of it.
func (b FromCertificateBody) draft(ctx context.Context, from storage.Reader, suggested *certinfo.Suggested) (*registration.Client, []Warning, error) {
	kind := storage.MatcherKind(strings.TrimPrefix(suggested.Member, "tls_client_auth_"))
	matcher, err := clientauth.NewMatcher(kind, suggested.Value)
	if err != nil { // it was suggested because it can be registered
		return nil, nil, err
	}
	client := storage.Client{
		ID: b.ClientID, PartnerID: b.PartnerID, Method: storage.TLSClientAuth, TrustBundle: b.TrustBundle, Matcher: matcher,
	}
	draft := &viewOf(client).Client
	draft.Scope = b.Scope
	had, warnings, err := subjectOwners(ctx, from, client)
	if err != nil {
		return nil, nil, err
	}
	for _, other := range had {
		warnings = append(warnings, Warning{"subject_taken", other.Detail, other.Owner})
	}
	more, err := pinWarnings(ctx, from, client)
	return draft, append(warnings, more...), err
}
