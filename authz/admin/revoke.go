package admin

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Revocation is the answer to the revocation of a certificate.
type Revocation struct {
	Thumbprint string    `json:"x5t#S256"`
	ClientID   string    `json:"client_id,omitempty"` // whose it is, when it is registered
	Reason     string    `json:"reason"`              // of the first revocation
	RevokedAt  time.Time `json:"revoked_at"`
}

// revokeCertificate denies a certificate for as long as it could be used, and
// tells resource servers for as long as its tokens could. Certificates of PKI
// clients are not registered one by one, so any thumbprint may be named.
func revokeCertificate(h *Handler, c *call) (*answer, error) {
	t, err := c.thumbprint()
	if err != nil {
		return nil, err
	}
	reason, err := c.reason(true)
	if err != nil {
		return nil, err
	}
	if f := h.notOfAdministrators(c, t); f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		registered, err := tx.Certificate(ctx, t)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return h.revokeIn(c, tx, storage.CertificateDenial{
			Thumbprint: t, ClientID: registered.ClientID, Reason: reason, CreatedAt: c.now, ExpiresAt: registered.NotAfter,
		}, a)
	})
}

// notOfAdministrators lets only admin:security revoke a certificate with which an
// administrator has got a token. That of a PKI client is registered nowhere, so it
// is the record that says whose it is: without this, an operator could lock all
// such administrators out, whose thumbprints the audit trail shows him.
func (h *Handler) notOfAdministrators(c *call, t thumbprint.Thumbprint) error {
	if c.caller.may(ScopeSecurity) {
		return nil
	}
	for _, scope := range Scopes() {
		holders, err := h.Store.ClientsHolding(c.Context(), scope)
		if err != nil {
			return err
		}
		for _, holder := range holders {
			used, err := h.Store.AuditEvents(c.Context(), storage.AuditQuery{
				ClientID: holder.ID, Kind: string(audit.TokenIssued), Thumbprint: t, Limit: 1,
			})
			if err != nil {
				return err
			}
			if len(used) > 0 {
				return c.caller.mayTouch(holder)
			}
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
