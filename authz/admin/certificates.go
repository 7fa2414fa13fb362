package admin

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// RegisteredCertificate is a certificate of a client as the API shows it.
type RegisteredCertificate struct {
	CertificateView
	ClientID  string     `json:"client_id"`
	Subject   string     `json:"subject"`
	CreatedAt time.Time  `json:"created_at"`
	Status    string     `json:"status" doc:"pending (not used yet), active, retiring (accepted until retire_at), retired, expired or revoked."`
	Source    string     `json:"source" doc:"registered, published (at its client's jwks_uri), enrolled (signed here for a link) or seen (shown by a tls_client_auth client, which gives it no right)."`
	RetireAt  *time.Time `json:"retire_at,omitempty"`
	FirstSeen *time.Time `json:"first_seen,omitempty" doc:"When it first got a token."`
	LastSeen  *time.Time `json:"last_seen,omitempty" doc:"When it last got one, some minutes late."`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Reason    string     `json:"revocation_reason,omitempty"`
}

// CertificateList is all certificates of a client.
type CertificateList struct {
	Certificates []*RegisteredCertificate `json:"certificates"`
}

// certificate is a registered one, whose it is, and whether it was revoked.
type certificate struct {
	storage.Certificate
	leaf   *x509.Certificate
	owner  storage.Client
	denial *storage.CertificateDenial // nil: it is not denied
}

// certificates are found by the thumbprint in the path.
var certificates = collection[certificate, *RegisteredCertificate]{
	path: "/admin/v1/certificates",
	idIn: func(c *call) (string, error) {
		x5t, err := c.thumbprint()
		return x5t.String(), err
	},
	find:  findCertificate,
	view:  func(c *call, found certificate) *RegisteredCertificate { return found.view(c.now) },
	guard: func(c *call, found certificate) error { return c.caller.mayTouch(found.owner) },
	about: func(found certificate) subject {
		return subject{client: found.owner, certificate: found.Thumbprint}
	},
}

func findCertificate(c *call, from storage.Reader, x5t string) (certificate, error) {
	t, err := thumbprint.Parse(x5t)
	if err != nil {
		return certificate{}, storage.ErrNotFound
	}
	stored, err := from.Certificate(c.Context(), t)
	if err != nil {
		return certificate{}, err
	}
	owner, err := from.Client(c.Context(), stored.ClientID)
	if err != nil {
		return certificate{}, err
	}
	return complete(c, from, stored, owner)
}

// complete reads what else there is to a certificate.
func complete(c *call, from storage.Reader, stored storage.Certificate, owner storage.Client) (certificate, error) {
	found := certificate{Certificate: stored, owner: owner}
	var err error
	if found.leaf, err = x509.ParseCertificate(stored.DER); err != nil {
		return found, fmt.Errorf("admin: a registered certificate of %s: %w", stored.ClientID, err)
	}
	denial, err := from.CertificateDenial(c.Context(), stored.Thumbprint)
	switch {
	case err == nil && denial.LiftedAt.IsZero():
		found.denial = &denial
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return found, err
	}
	return found, nil
}

func (c certificate) view(now time.Time) *RegisteredCertificate {
	v := &RegisteredCertificate{
		CertificateView: CertificateView{c.Thumbprint.String(), c.NotBefore, c.NotAfter},
		ClientID:        c.ClientID, Subject: certinfo.NameText(c.leaf.RawSubject), CreatedAt: c.CreatedAt,
		RetireAt: orNil(c.RetireAt), FirstSeen: orNil(c.FirstSeen), LastSeen: orNil(c.LastSeen),
		Source: cmp.Or(string(c.Source), "registered"), Status: c.status(now),
	}
	if c.denial != nil {
		v.RevokedAt, v.Reason = &c.denial.CreatedAt, c.denial.Reason
	}
	return v
}

// status says where in its life a certificate is.
func (c certificate) status(now time.Time) string {
	switch {
	case c.denial != nil:
		return "revoked"
	case !now.Before(c.NotAfter):
		return "expired"
	case !c.RetireAt.IsZero() && !now.Before(c.RetireAt):
		return "retired"
	case !c.RetireAt.IsZero():
		return "retiring"
	case c.FirstSeen.IsZero():
		return "pending"
	}
	return "active"
}

// shown is a list of certificates.
func shown(c *call, from storage.Reader, stored []storage.Certificate) (CertificateList, error) {
	list := CertificateList{Certificates: []*RegisteredCertificate{}}
	for _, one := range stored {
		found, err := complete(c, from, one, storage.Client{})
		if err != nil {
			return list, err
		}
		list.Certificates = append(list.Certificates, found.view(c.now))
	}
	return list, nil
}

func listCertificates(h *Handler, c *call) (*answer, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	if err := noQuery(c); err != nil {
		return nil, err
	}
	if _, err := h.Store.Client(c.Context(), id); err != nil {
		return nil, err
	}
	registered, err := h.Store.ClientCertificates(c.Context(), id)
	if err != nil {
		return nil, err
	}
	list, err := shown(c, h.Store, registered)
	return &answer{body: list}, err
}
