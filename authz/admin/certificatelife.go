package admin

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// live says where in its life a certificate is.
func (v *RegisteredCertificate) live(c *storage.Certificate, now time.Time) {
	v.Source = string(c.Source)
	if v.Source == "" {
		v.Source = "registered"
	}
	for _, one := range []struct {
		into **time.Time
		at   time.Time
	}{{&v.RetireAt, c.RetireAt}, {&v.FirstSeen, c.FirstSeen}, {&v.LastSeen, c.LastSeen}} {
		if !one.at.IsZero() {
			*one.into = &one.at
		}
	}
	switch {
	case v.RevokedAt != nil:
		v.Status = "revoked"
	case !now.Before(c.NotAfter):
		v.Status = "expired"
	case !c.RetireAt.IsZero() && !now.Before(c.RetireAt):
		v.Status = "retired"
	case !c.RetireAt.IsZero():
		v.Status = "retiring"
	case c.FirstSeen.IsZero():
		v.Status = "pending"
	default:
		v.Status = "active"
	}
}

// RetireBody says until when a certificate is accepted.
type RetireBody struct {
	RetireAt *time.Time `json:"retire_at,omitempty" doc:"When it is accepted no more, now when absent; a time after its notAfter takes a retirement back."`
	Reason   string     `json:"reason,omitempty"`
}

// retireCertificate gives a certificate an end before its own. No token issued from
// now on lives longer, and resource servers are told of it when it has come.
func (h *Handler) retireCertificate(c *call) (*answer, *refusal) {
	x5t, f := c.thumbprint()
	if f != nil {
		return nil, f
	}
	var body RetireBody
	bad, f := h.read(c, &body)
	if f != nil {
		return nil, f
	}
	at := c.now
	if body.RetireAt != nil {
		at = body.RetireAt.UTC().Truncate(time.Second)
	}
	if at.Before(c.now) {
		bad.at("/retire_at", "has passed")
	}
	if f := bad.refusal(); f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		stored, err := tx.Certificate(ctx, x5t)
		if err != nil {
			return err
		}
		owner, err := tx.Client(ctx, stored.ClientID)
		if err != nil {
			return err
		}
		if f := c.caller.mayTouch(owner); f != nil {
			return f
		}
		before, err := viewRegistered(ctx, tx, stored, c.now)
		if err != nil {
			return err
		}
		if at.After(stored.NotAfter) {
			at = time.Time{}
		}
		if err := tx.RetireCertificate(ctx, owner.ID, x5t, at); err != nil {
			return err
		}
		if stored, err = tx.Certificate(ctx, x5t); err != nil {
			return err
		}
		after, err := viewRegistered(ctx, tx, stored, c.now)
		if err != nil {
			return err
		}
		a.changed(before, after, etagOf(after), true)
		return h.recordCertificate(c, tx, audit.CertificateRetired, owner, stored, before, after, "reason", body.Reason)
	})
}

// expiringDays is how far ahead the list looks when nothing is said.
const expiringDays = 30

// expiringCertificates lists the certificates that end soon, over all clients.
func (h *Handler) expiringCertificates(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "limit", "after", "expires_before")
	if f != nil {
		return nil, f
	}
	limit, until := q.limit(), q.time("expires_before")
	if until.IsZero() {
		until = c.now.AddDate(0, 0, expiringDays)
	}
	cursor, ok := parseCertificateCursor(q.text("after"), c.now)
	if !ok {
		q.bad.add("after", "must come from the Link of a page")
	}
	if f := q.bad.refusal(); f != nil {
		return nil, f
	}
	found, err := h.Store.ExpiringCertificates(c.Context(), cursor, until, limit+1)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &answer{}
	if len(found) > limit {
		found = found[:limit]
		last := &found[limit-1]
		a.link = q.next(c.URL.Path, "after", certificateCursor(last))
	}
	list := CertificateList{Certificates: []*RegisteredCertificate{}}
	for _, one := range found {
		view, err := viewRegistered(c.Context(), h.Store, one, c.now)
		if err != nil {
			return nil, unavailable(err)
		}
		list.Certificates = append(list.Certificates, view)
	}
	a.body = list
	return a, nil
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
