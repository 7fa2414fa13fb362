package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// CertificateBody is one certificate to be registered.
type CertificateBody struct {
	Certificate string `json:"certificate" doc:"The client's certificate in PEM, without its key and without a chain."`
}

// addCertificate registers one more certificate of a self-signed client. The others
// stay: a client rotates without a moment in which neither is good.
func addCertificate(h *Handler, c *call) (*answer, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	var body CertificateBody
	bad, err := h.read(c, &body)
	if err != nil {
		return nil, err
	}
	leaf := oneCertificate(body.Certificate, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	record := registration.CertificateRecord{Leaf: leaf, Record: keyset.Record(id, leaf, c.now)}
	if err := record.Check(c.now); err != nil {
		bad.At("/certificate", err.Error())
		return nil, bad.Err()
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, _, err := clients.present(c, tx, id)
		if err != nil {
			return err
		}
		if err := c.makesOfficers(have.Client, have.Client); err != nil {
			return err
		}
		if err := certificateFits(ctx, tx, c, have, record); err != nil {
			return err
		}
		if err := keyset.Add(ctx, tx, record.Record, c.now); err != nil {
			return err
		}
		return certificates.added(h, c, tx, a, record.Record.Thumbprint.String(), outcome{kind: audit.CertificateAdded})
	})
}

// oneCertificate reads a PEM text that must hold exactly one certificate.
func oneCertificate(text string, bad *refusal.Invalid) *x509.Certificate {
	file, err := certinfo.Parse([]byte(text))
	switch {
	case err != nil:
		bad.At("/certificate", err.Error())
	case file.PrivateKey:
		bad.At("/certificate", privateKeySent)
	case len(file.Certificates) != 1 || len(file.Other) > 0:
		bad.At("/certificate", "must be one certificate and nothing else")
	default:
		return file.Leaf()
	}
	return nil
}

// privateKeySent is what somebody has to know who sent one.
const privateKeySent = "holds a private key, which nobody but the client needs: it has now been sent over the network, so replace key and certificate, and send the certificate alone"

func certificateFits(ctx context.Context, tx storage.Tx, c *call, client client, wanted registration.CertificateRecord) error {
	if client.JWKSURI != "" {
		return refusal.Conflicting(refusal.Taken{Detail: "the client's certificates are those it publishes at its jwks_uri"})
	}
	owner, err := tx.Certificate(ctx, wanted.Record.Thumbprint)
	// What this client was only seen with is registered by it.
	// What another client publishes is not that client's for it.
	free := err == nil && (!owner.Registered() && owner.ClientID == client.ID || keyset.Yields(owner, client.ID))
	if !free && !errors.Is(err, storage.ErrNotFound) {
		if err != nil {
			return err
		}
		return c.conflicting(refusal.Taken{Pointer: "/certificate", Detail: "the certificate is registered already; one certificate belongs to one client", Owner: owner.ClientID})
	}
	denied, err := tx.CertificateDenied(ctx, wanted.Record.Thumbprint)
	if err != nil {
		return err
	}
	if denied {
		return refusal.Conflicting(refusal.Taken{Pointer: "/certificate", Detail: "the certificate has been revoked"})
	}
	registered := slices.DeleteFunc(slices.Clone(client.certificates), func(c storage.Certificate) bool { return !c.Registered() })
	if len(registered) >= keyset.MaxCertificates {
		return refusal.Conflicting(refusal.Taken{Detail: fmt.Sprintf("the client has %d certificates, which is the most; remove one first", len(registered))})
	}
	return nil
}

// credentials counts what a self-signed client can authenticate with.
func credentials(all []storage.Certificate) (n int) {
	for _, one := range all {
		if one.Credential() {
			n++
		}
	}
	return n
}

// removeCertificate ends a certificate's registration and, as nobody knows which of
// the client's tokens are bound to it, all its tokens.
func removeCertificate(h *Handler, c *call) (*answer, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	x5t, err := certificates.id(c)
	if err != nil {
		return nil, err
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		owner, _, err := clients.present(c, tx, id)
		if err != nil {
			return err
		}
		have, err := findCertificate(c, tx, x5t)
		switch {
		case err != nil:
			return err
		case have.ClientID != id:
			return storage.ErrNotFound
		case have.Source == storage.CertificateEnrolled && have.denial == nil:
			return refusal.Conflicting(refusal.Taken{Detail: "the certificate was signed here, and without its record might pass for another client's: revoke it first"})
		case owner.Method == storage.SelfSignedTLSClientAuth && have.Credential() && credentials(owner.certificates) == 1:
			return refusal.Conflicting(refusal.Taken{Detail: "it is the client's only certificate: add the next one first, or disable the client, or revoke the certificate"})
		}
		if err := tx.RemoveCertificate(ctx, id, have.Thumbprint); err != nil {
			return err
		}
		generation, err := tx.RaiseGeneration(ctx, id, c.now)
		if err != nil {
			return err
		}
		if err := registration.DenyGeneration(ctx, tx, id, generation, c.now); err != nil {
			return err
		}
		return certificates.gone(h, c, tx, a, have, have.view(c.now), audit.CertificateRemoved)
	})
}
