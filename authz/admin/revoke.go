package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Revocation is the answer to the revocation of a certificate.
type Revocation struct {
	Thumbprint string    `json:"x5t#S256"`
	ClientID   string    `json:"client_id,omitempty"` // whose it is, when it is registered
	Reason     string    `json:"reason"`              // of the first revocation
	RevokedAt  time.Time `json:"revoked_at"`
}

// RevocationBody says why, and may bring the certificate.
type RevocationBody struct {
	Reason      string `json:"reason" maxLength:"200" doc:"Why, for the audit event."`
	Certificate string `json:"certificate,omitempty" doc:"The certificate in PEM. Without admin:security one that is not on record has to be sent along where administrators are tls_client_auth clients, because it might be theirs."`
}

// revokeCertificate denies a certificate for as long as it could be used, and
// tells resource servers for as long as its tokens could. Certificates of PKI
// clients are not registered one by one, so any thumbprint may be named.
func revokeCertificate(h *Handler, c *call) (*answer, error) {
	t, err := c.thumbprint()
	if err != nil {
		return nil, err
	}
	body, err := c.texts("reason", memberCertificate)
	if err != nil {
		return nil, err
	}
	var bad refusal.Invalid
	if body["reason"] == "" {
		bad.Add("reason", "must say why")
	}
	var sent *x509.Certificate
	if text := body[memberCertificate]; text != "" {
		if sent = oneCertificate(text, &bad); sent != nil && thumbprint.Of(sent) != t {
			bad.At("/certificate", "is not the one that the thumbprint names")
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		registered, err := tx.Certificate(ctx, t)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err := notOfAdministrators(c, tx, registered, sent); err != nil {
			return err
		}
		return h.revokeIn(c, tx, storage.CertificateDenial{
			Thumbprint: t, ClientID: registered.ClientID, Reason: body["reason"], CreatedAt: c.now, ExpiresAt: registered.NotAfter,
		}, a)
	})
}

// notOfAdministrators lets only admin:security revoke a certificate that an
// administrator could authenticate with. That of a PKI client is registered nowhere,
// so it is the registered subject that says whose it is, used or not: without this,
// an operator could lock all such administrators out before they have come in once. A
// certificate that is not on record has to be shown for that. Those of self-signed
// administrators are on record, see revokeIn.
func notOfAdministrators(c *call, tx storage.Tx, onRecord storage.Certificate, leaf *x509.Certificate) error {
	if c.caller.may(ScopeSecurity) {
		return nil
	}
	if onRecord.DER != nil {
		var err error
		if leaf, err = x509.ParseCertificate(onRecord.DER); err != nil {
			return err
		}
	}
	all, err := administrators(c.Context(), tx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Method != storage.TLSClientAuth || leaf != nil && !clientauth.Satisfies(one.Matcher, leaf) {
			continue
		}
		if err := c.caller.mayTouch(one); err != nil && leaf != nil {
			return err
		} else if err != nil {
			return refusal.New(decision.ScopeInsufficient, "the certificate is not on record and might be an administrator's: send it along as certificate, or have somebody with admin:security revoke it")
		}
	}
	return nil
}

func (h *Handler) revokeIn(c *call, tx storage.Tx, wanted storage.CertificateDenial, a *answer) error {
	ctx := c.Context()
	var owner storage.Client
	if wanted.ClientID != "" {
		var err error
		if owner, err = tx.Client(ctx, wanted.ClientID); err != nil {
			return err
		}
		if err := c.caller.mayTouch(owner); err != nil {
			return err
		}
	}
	denied, err := tx.CertificateDenied(ctx, wanted.Thumbprint)
	if err != nil {
		return err
	}
	if !denied {
		if err := h.deny(c, tx, wanted, owner); err != nil {
			return err
		}
		a.change = true
	}
	stored, err := tx.CertificateDenial(ctx, wanted.Thumbprint)
	a.body = Revocation{stored.Thumbprint.String(), stored.ClientID, stored.Reason, stored.CreatedAt}
	return err
}

func (h *Handler) deny(c *call, tx storage.Tx, d storage.CertificateDenial, owner storage.Client) error {
	ctx := c.Context()
	if err := tx.DenyCertificate(ctx, d); err != nil {
		return err
	}
	_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
		Kind: storage.FeedCertificate, Action: storage.FeedDeny, Subject: d.Thumbprint.String(),
		CreatedAt: c.now, ExpiresAt: lastToken(d.ExpiresAt, c.now),
	}})
	if err != nil {
		return err
	}
	event := c.event(audit.CertificateRevoked, owner, map[string]any{"reason": d.Reason, "registered": owner.ID != ""})
	event.Thumbprint = d.Thumbprint
	return h.Audit.Append(ctx, tx, event)
}

// lastToken is when the last token bound to a certificate has expired, plus 60 s:
// no token outlives its certificate (design rule 10).
func lastToken(notAfter, now time.Time) time.Time {
	end := now.Add(registration.FeedLife)
	if early := notAfter.Add(time.Minute); !notAfter.IsZero() && early.After(now) && early.Before(end) {
		return early
	}
	return end
}
