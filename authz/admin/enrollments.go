package admin

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/storage"
)

// EnrollmentBody asks for a link by which a client has one certificate signed.
type EnrollmentBody struct {
	ClientID        string `json:"client_id"`
	LifetimeSeconds int64  `json:"lifetime_seconds,omitempty" doc:"Life of the certificate, 3600 to 34387200; 90 days when absent."`
	ValiditySeconds int64  `json:"validity_seconds,omitempty" doc:"How long the link may be used, 60 to 2592000; a day when absent."`
}

// EnrollmentView is a link as the API shows it, without its secret.
type EnrollmentView struct {
	ID          string     `json:"id"`
	ClientID    string     `json:"client_id"`
	TrustBundle string     `json:"trust_bundle"`
	SANType     string     `json:"san_type" doc:"san_dns or san_uri."`
	SAN         string     `json:"san" doc:"The one subject alternative name of the certificate."`
	Lifetime    int64      `json:"lifetime_seconds"`
	CreatedBy   string     `json:"created_by"`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   time.Time  `json:"expires_at"`
	UsedAt      *time.Time `json:"used_at,omitempty"`
	Thumbprint  string     `json:"x5t#S256,omitempty" doc:"The certificate that came of it."`
}

// NewEnrollment is a link that was just made. It is shown once.
type NewEnrollment struct {
	EnrollmentView
	URL string `json:"url" doc:"For the client alone. The fragment is a secret; it is shown this once."`
}

// EnrollmentList is the links of a client.
type EnrollmentList struct {
	Enrollments []*EnrollmentView `json:"enrollments"`
}

func viewEnrollment(e storage.Enrollment) *EnrollmentView {
	v := &EnrollmentView{
		ID: e.ID, ClientID: e.ClientID, TrustBundle: e.TrustBundle, SANType: string(e.SANKind), SAN: e.SAN,
		Lifetime: int64(e.Lifetime / time.Second), CreatedBy: e.CreatedBy, CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt,
	}
	if !e.UsedAt.IsZero() {
		v.UsedAt, v.Thumbprint = &e.UsedAt, e.Thumbprint.String()
	}
	return v
}

// createEnrollment takes no Idempotency-Key: an answer that is kept would keep the
// secret.
func (h *Handler) createEnrollment(c *call) (*answer, *refusal) {
	var body EnrollmentBody
	bad, f := h.read(c, &body)
	if f == nil {
		f = bad.refusal()
	}
	if f != nil {
		return nil, f
	}
	if !h.Enrolls {
		return nil, conflicting([]taken{{"", "this server signs no certificates: set enrollment.enabled in its configuration", ""}})
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		client, err := tx.Client(ctx, body.ClientID)
		if errors.Is(err, storage.ErrNotFound) {
			bad.at("/client_id", "is the id of no client")
			return bad.refusal()
		}
		if err != nil {
			return err
		}
		if f := c.caller.mayTouch(client); f != nil {
			return f
		}
		link, err := enroll.NewLink(client, seconds(body.LifetimeSeconds, enroll.DefaultLifetime), seconds(body.ValiditySeconds, enroll.DefaultValidity), c.caller.client.ID, c.now)
		if err != nil {
			bad.at("", err.Error())
			return bad.refusal()
		}
		if _, err := tx.EnrollmentIssuer(ctx, client.TrustBundle); errors.Is(err, storage.ErrNotFound) {
			return conflicting([]taken{{"/client_id", "no CA is online for the client's trust bundle; see certbound ca online", ""}})
		} else if err != nil {
			return err
		}
		if err := tx.CreateEnrollment(ctx, link.Enrollment); err != nil {
			return err
		}
		view := viewEnrollment(link.Enrollment)
		a.created("/admin/v1/enrollments/"+view.ID, NewEnrollment{*view, link.URL(h.Issuer)}, "")
		return h.record(c, tx, audit.EnrollmentCreated, client, nil, view)
	})
}

// seconds is a number of them, 0 what is usual. What would overflow is cut to what
// is out of every bound.
func seconds(n int64, usual time.Duration) time.Duration {
	const most = int64(100 * 365 * 24 * time.Hour / time.Second)
	if n == 0 {
		return usual
	}
	return time.Duration(min(max(n, -most), most)) * time.Second
}

func (h *Handler) getEnrollment(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	stored, err := h.Store.Enrollment(c.Context(), id)
	if err != nil {
		return nil, unavailable(err)
	}
	return &answer{body: viewEnrollment(stored)}, nil
}

func (h *Handler) listEnrollments(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	if _, err := h.Store.Client(c.Context(), id); err != nil {
		return nil, unavailable(err)
	}
	stored, err := h.Store.ClientEnrollments(c.Context(), id)
	if err != nil {
		return nil, unavailable(err)
	}
	list := EnrollmentList{Enrollments: []*EnrollmentView{}}
	for _, one := range stored {
		list.Enrollments = append(list.Enrollments, viewEnrollment(one))
	}
	return &answer{body: list}, nil
}

// cancelEnrollment lets an unused link end now.
func (h *Handler) cancelEnrollment(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	reason, f := c.reason(false)
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		stored, err := tx.Enrollment(ctx, id)
		if err != nil {
			return err
		}
		client, err := tx.Client(ctx, stored.ClientID)
		if err != nil {
			return err
		}
		if f := c.caller.mayTouch(client); f != nil {
			return f
		}
		if !stored.UsedAt.IsZero() {
			return conflicting([]taken{{"", "the link has been used; revoke the certificate instead", ""}})
		}
		before := viewEnrollment(stored)
		if err := tx.CancelEnrollment(ctx, id, c.now); err != nil {
			return err
		}
		if stored, err = tx.Enrollment(ctx, id); err != nil {
			return err
		}
		after := viewEnrollment(stored)
		a.changed(before, after, "", true)
		return h.record(c, tx, audit.EnrollmentCancelled, client, before, after, "reason", reason)
	})
}
