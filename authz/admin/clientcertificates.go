package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// RegisteredCertificate is a certificate of a client as the API shows it.
type RegisteredCertificate struct {
	CertificateView
	ClientID  string     `json:"client_id"`
	Subject   string     `json:"subject"`
	CreatedAt time.Time  `json:"created_at"`
	Status    string     `json:"status" doc:"pending (not used yet), active, retiring (accepted until retire_at), retired, expired or revoked."`
	Source    string     `json:"source" doc:"registered, enrolled (signed here for a link) or seen (shown by a tls_client_auth client, which gives it no right)."`
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

// CertificateBody is one certificate to be registered.
type CertificateBody struct {
	Certificate string `json:"certificate" doc:"The client's certificate in PEM, without its key and without a chain."`
}

func viewRegistered(ctx context.Context, from storage.DenialReader, stored storage.Certificate, now time.Time) (*RegisteredCertificate, error) {
	leaf, err := x509.ParseCertificate(stored.DER)
	if err != nil {
		return nil, fmt.Errorf("admin: a registered certificate of %s: %w", stored.ClientID, err)
	}
	v := &RegisteredCertificate{
		CertificateView: CertificateView{stored.Thumbprint.String(), stored.NotBefore, stored.NotAfter},
		ClientID:        stored.ClientID, Subject: certinfo.NameText(leaf.RawSubject), CreatedAt: stored.CreatedAt,
	}
	denial, err := from.CertificateDenial(ctx, stored.Thumbprint)
	switch {
	case err == nil && denial.LiftedAt.IsZero():
		v.RevokedAt, v.Reason = &denial.CreatedAt, denial.Reason
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return nil, err
	}
	v.live(&stored, now)
	return v, nil
}

func (h *Handler) listCertificates(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	q, f := newQuery(c.Request)
	if f == nil {
		f = q.bad.refusal()
	}
	if f != nil {
		return nil, f
	}
	if _, err := h.Store.Client(c.Context(), id); err != nil {
		return nil, unavailable(err)
	}
	registered, err := h.Store.ClientCertificates(c.Context(), id)
	if err != nil {
		return nil, unavailable(err)
	}
	list := CertificateList{Certificates: []*RegisteredCertificate{}}
	for _, one := range registered {
		view, err := viewRegistered(c.Context(), h.Store, one, c.now)
		if err != nil {
			return nil, unavailable(err)
		}
		list.Certificates = append(list.Certificates, view)
	}
	return &answer{body: list}, nil
}

func (h *Handler) getCertificate(c *call) (*answer, *refusal) {
	x5t, f := c.thumbprint()
	if f != nil {
		return nil, f
	}
	stored, err := h.Store.Certificate(c.Context(), x5t)
	if err != nil {
		return nil, unavailable(err)
	}
	view, err := viewRegistered(c.Context(), h.Store, stored, c.now)
	if err != nil {
		return nil, unavailable(err)
	}
	return &answer{body: view, etag: etagOf(view)}, nil
}

// addCertificate registers one more certificate of a self-signed client. The others
// stay: a client rotates without a moment in which neither is good.
func (h *Handler) addCertificate(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	var body CertificateBody
	bad, f := h.read(c, &body)
	if f != nil {
		return nil, f
	}
	leaf := oneCertificate(body.Certificate, &bad)
	if f := bad.refusal(); f != nil {
		return nil, f
	}
	record := registration.CertificateRecord{Leaf: leaf, Record: keyset.Record(id, leaf, c.now)}
	if err := record.Check(c.now); err != nil {
		bad.at("/certificate", err.Error())
		return nil, bad.refusal()
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, _, err := h.presentClient(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if err := certificateFits(ctx, tx, c, have, record); err != nil {
			return err
		}
		if err := tx.AddCertificate(ctx, record.Record); err != nil {
			return err
		}
		view, err := viewRegistered(ctx, tx, record.Record, c.now)
		if err != nil {
			return err
		}
		a.created("/admin/v1/certificates/"+view.Thumbprint, view, etagOf(view))
		return h.recordCertificate(c, tx, audit.CertificateAdded, have, record.Record, nil, view)
	})
}

// oneCertificate reads a PEM text that must hold exactly one certificate.
func oneCertificate(text string, bad *invalid) *x509.Certificate {
	file, err := certinfo.Parse([]byte(text))
	switch {
	case err != nil:
		bad.at("/certificate", err.Error())
	case file.PrivateKey:
		bad.at("/certificate", privateKeySent)
	case len(file.Certificates) != 1 || len(file.Other) > 0:
		bad.at("/certificate", "must be one certificate and nothing else")
	default:
		return file.Leaf()
	}
	return nil
}

// privateKeySent is what somebody has to know who sent one.
const privateKeySent = "holds a private key, which nobody but the client needs: it has now been sent over the network, so replace key and certificate, and send the certificate alone"

func certificateFits(ctx context.Context, tx storage.Tx, c *call, client storage.Client, wanted registration.CertificateRecord) error {
	if client.JWKSURI != "" {
		return conflicting([]taken{{"", "the client's certificates are those it publishes at its jwks_uri", ""}})
	}
	owner, err := tx.Certificate(ctx, wanted.Record.Thumbprint)
	// What this client was only seen with is registered by it.
	seen := err == nil && !owner.Registered() && owner.ClientID == client.ID
	if !seen && !errors.Is(err, storage.ErrNotFound) {
		if err != nil {
			return err
		}
		return c.conflicting([]taken{{"/certificate", "the certificate is registered already; one certificate belongs to one client", owner.ClientID}})
	}
	denied, err := tx.CertificateDenied(ctx, wanted.Record.Thumbprint)
	if err != nil {
		return err
	}
	if denied {
		return conflicting([]taken{{"/certificate", "the certificate has been revoked", ""}})
	}
	registered, err := tx.ClientCertificates(ctx, client.ID)
	if err != nil {
		return err
	}
	registered = slices.DeleteFunc(registered, func(c storage.Certificate) bool { return !c.Registered() })
	if len(registered) >= keyset.MaxCertificates {
		return conflicting([]taken{{"", fmt.Sprintf("the client has %d certificates, which is the most; remove one first", len(registered)), ""}})
	}
	return nil
}

// removeCertificate ends a certificate's registration and, as nobody knows which of
// the client's tokens are bound to it, all its tokens.
func (h *Handler) removeCertificate(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	x5t, f := c.thumbprint()
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, _, err := h.presentClient(ctx, tx, c, id)
		if err != nil {
			return err
		}
		registered, err := tx.ClientCertificates(ctx, id)
		if err != nil {
			return err
		}
		stored := storage.Certificate{Thumbprint: x5t}
		if !registration.ContainsCertificate(registered, stored) {
			return storage.ErrNotFound
		}
		if len(registered) == 1 && have.Method == storage.SelfSignedTLSClientAuth {
			return conflicting([]taken{{"", "it is the client's only certificate: add the next one first, or disable the client, or revoke the certificate", ""}})
		}
		if stored, err = tx.Certificate(ctx, x5t); err != nil {
			return err
		}
		before, err := viewRegistered(ctx, tx, stored, c.now)
		if err != nil {
			return err
		}
		if err := tx.RemoveCertificate(ctx, id, x5t); err != nil {
			return err
		}
		generation, err := tx.RaiseGeneration(ctx, id, c.now)
		if err != nil {
			return err
		}
		if err := registration.DenyGeneration(ctx, tx, id, generation, c.now); err != nil {
			return err
		}
		a.gone(before)
		return h.recordCertificate(c, tx, audit.CertificateRemoved, have, stored, before, nil)
	})
}

func (h *Handler) recordCertificate(c *call, tx storage.Tx, kind audit.Kind, client storage.Client, of storage.Certificate, before, after *RegisteredCertificate, more ...string) error {
	detail := map[string]any{}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			detail[more[i]] = more[i+1]
		}
	}
	if before != nil {
		detail["before"] = before
	}
	if after != nil {
		detail["after"] = after
	}
	event := c.event(kind, client, detail)
	event.Thumbprint = of.Thumbprint
	return h.Audit.Append(c.Context(), tx, event)
}
