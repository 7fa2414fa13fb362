package admin

import (
	"context"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// EnrollmentIssuerView is a CA that is online: it signs for the enrolment links and
// renewals of a trust bundle. Its key is never shown.
type EnrollmentIssuerView struct {
	TrustBundle  string    `json:"trust_bundle"`
	Subject      string    `json:"subject"`
	Issuer       string    `json:"issuer" doc:"Who signed its certificate."`
	Serial       string    `json:"serial" doc:"In hexadecimal digits."`
	Thumbprint   string    `json:"x5t#S256"`
	PermittedDNS []string  `json:"permitted_dns" doc:"Name constraint: it signs DNS names in these domains."`
	PermittedURI []string  `json:"permitted_uri" doc:"Name constraint: it signs URIs whose host is in these domains."`
	NotBefore    time.Time `json:"not_before"`
	NotAfter     time.Time `json:"not_after"`
	Chain        string    `json:"chain" doc:"PEM: its certificate, then what leads on to the bundle's anchor."`
	CreatedAt    time.Time `json:"created_at" doc:"Since when it is online."`
}

// EnrollmentIssuerList is a page of the CAs that are online.
type EnrollmentIssuerList struct {
	Issuers []*EnrollmentIssuerView `json:"enrollment_issuers"`
}

// viewEnrollmentIssuer shows what cannot be read by its trust bundle alone: it signs
// nothing either, and can be removed.
func viewEnrollmentIssuer(i storage.EnrollmentIssuer) *EnrollmentIssuerView {
	v := &EnrollmentIssuerView{TrustBundle: i.TrustBundle, Chain: i.ChainPEM, CreatedAt: i.CreatedAt, PermittedDNS: []string{}, PermittedURI: []string{}}
	chain, err := enroll.Chain(i)
	if err != nil {
		return v
	}
	cert := chain[0]
	v.Subject, v.Issuer, v.Serial = cert.Subject.String(), cert.Issuer.String(), cert.SerialNumber.Text(16)
	v.Thumbprint, v.NotBefore, v.NotAfter = thumbprint.Of(cert).String(), cert.NotBefore.UTC(), cert.NotAfter.UTC()
	v.PermittedDNS = append(v.PermittedDNS, cert.PermittedDNSDomains...)
	v.PermittedURI = append(v.PermittedURI, cert.PermittedURIDomains...)
	return v
}

// enrollmentIssuers are named by their trust bundles, each of which has one at most.
var enrollmentIssuers = collection[storage.EnrollmentIssuer, *EnrollmentIssuerView]{
	path: "/admin/v1/enrollment-issuers",
	find: func(c *call, from storage.Reader, id string) (storage.EnrollmentIssuer, error) {
		return from.EnrollmentIssuer(c.Context(), id)
	},
	view:  func(_ *call, i storage.EnrollmentIssuer) *EnrollmentIssuerView { return viewEnrollmentIssuer(i) },
	tagOf: func(v *EnrollmentIssuerView) string { return `"` + v.Thumbprint + `"` },
	about: func(i storage.EnrollmentIssuer) subject {
		return subject{name: "trust_bundle", value: i.TrustBundle}
	},
}

// listEnrollmentIssuers pages as every list does, though there are few.
var listEnrollmentIssuers = list(nil,
	func(c *call, from storage.Reader, q *listing.Query, limit int) ([]storage.EnrollmentIssuer, error) {
		all, err := from.EnrollmentIssuers(c.Context())
		behind := slices.DeleteFunc(all, func(i storage.EnrollmentIssuer) bool { return i.TrustBundle <= q.Text("after") })
		return behind[:min(limit, len(behind))], err
	},
	func(i *storage.EnrollmentIssuer) string { return i.TrustBundle }, viewEnrollmentIssuer,
	func(all []*EnrollmentIssuerView) any { return EnrollmentIssuerList{all} })

// removeEnrollmentIssuer takes a CA offline: what is being signed at this moment is
// not handed out. Its sealed key goes; certificates it has signed stay good, and can
// be revoked one by one.
func removeEnrollmentIssuer(h *Handler, c *call) (*answer, error) {
	return enrollmentIssuers.remove(h, c, audit.EnrollmentIssuerGone, func(ctx context.Context, tx storage.Tx, have storage.EnrollmentIssuer) error {
		return tx.RemoveEnrollmentIssuer(ctx, have.TrustBundle)
	})
}
