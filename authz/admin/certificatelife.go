package admin

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// RetireBody says until when a certificate is accepted.
type RetireBody struct {
	RetireAt *time.Time `json:"retire_at,omitempty" doc:"When it is accepted no more, now when absent; a time after its notAfter takes a retirement back."`
	Reason   string     `json:"reason,omitempty" maxLength:"200"`
}

// retireCertificate gives a certificate an end before its own. No token issued from
// now on lives longer, and resource servers are told of it when it has come.
func retireCertificate(h *Handler, c *call) (*answer, error) {
	var body RetireBody
	bad, err := h.read(c, &body)
	if err != nil {
		return nil, err
	}
	checkReason(body.Reason, &bad)
	at := c.now
	if body.RetireAt != nil {
		at = body.RetireAt.UTC().Truncate(time.Second)
	}
	if at.Before(c.now) {
		bad.At("/retire_at", "has passed")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return certificates.change(h, c, func(ctx context.Context, tx storage.Tx, have certificate) (outcome, error) {
		end := at
		if end.After(have.NotAfter) {
			end = time.Time{}
		}
		if longer := !have.RetireAt.IsZero() && (end.IsZero() || end.After(have.RetireAt)); longer {
			if err := c.makesOfficers(have.owner, have.owner); err != nil {
				return outcome{}, err
			}
		}
		return outcome{kind: audit.CertificateRetired, reason: body.Reason}, tx.RetireCertificate(ctx, have.ClientID, have.Thumbprint, end)
	})
}

// expiringDays is how far ahead the list looks when nothing is said.
const expiringDays = 30

// expiringCertificates lists the certificates that end soon, over all clients.
func expiringCertificates(h *Handler, c *call) (*answer, error) {
	q, err := listing.Read(c.Request, "limit", "after", "expires_before")
	if err != nil {
		return nil, err
	}
	until := q.Time("expires_before")
	if until.IsZero() {
		until = c.now.AddDate(0, 0, expiringDays)
	}
	cursor, ok := parseCertificateCursor(q.Text("after"), c.now)
	if !ok {
		q.Bad.Add("after", listing.FromLink)
	}
	page, err := listing.Fetch(q, "after", func(limit int) ([]storage.Certificate, error) {
		return h.Store.ExpiringCertificates(c.Context(), cursor, until, limit)
	}, certificateCursor)
	if err != nil {
		return nil, err
	}
	list, err := shown(c, h.Store, page.Records)
	return &answer{body: list, link: page.Next}, err
}

func certificateCursor(c *storage.Certificate) string {
	return strconv.FormatInt(c.NotAfter.Unix(), 10) + "." + base64.RawURLEncoding.EncodeToString(c.Thumbprint[:])
}

func parseCertificateCursor(text string, now time.Time) (storage.CertificateCursor, bool) {
	if text == "" {
		return storage.CertificateCursor{NotAfter: now}, true
	}
	at, x5t, _ := strings.Cut(text, ".")
	unix, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return storage.CertificateCursor{}, false
	}
	print, err := thumbprint.Parse(x5t)
	return storage.CertificateCursor{NotAfter: time.Unix(unix, 0), Thumbprint: print}, err == nil
}
