package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/refusal"
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

// enrollment is a link and the client it is for.
type enrollment struct {
	storage.Enrollment
	client storage.Client
}

// enrollments have no ETag: a link is used or cancelled once, and never changed.
var enrollments = collection[enrollment, *EnrollmentView]{
	path: "/admin/v1/enrollments",
	find: func(c *call, from storage.Reader, id string) (found enrollment, err error) {
		if found.Enrollment, err = from.Enrollment(c.Context(), id); err == nil {
			found.client, err = from.Client(c.Context(), found.ClientID)
		}
		return found, err
	},
	view:  func(_ *call, e enrollment) *EnrollmentView { return viewEnrollment(e.Enrollment) },
	tagOf: func(*EnrollmentView) string { return "" },
	guard: func(c *call, e enrollment) error { return c.caller.mayTouch(e.client) },
	about: func(e enrollment) subject { return subject{client: e.client} },
}

// createEnrollment takes no Idempotency-Key: an answer that is kept would keep the
// secret.
func createEnrollment(h *Handler, c *call) (*answer, error) {
	var body EnrollmentBody
	bad, err := h.read(c, &body)
	if err == nil {
		err = bad.Err()
	}
	if err != nil {
		return nil, err
	}
	if !h.Enrolls {
		return nil, refusal.Conflicting(refusal.Taken{Detail: "this server signs no certificates: set enrollment.enabled in its configuration"})
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		var bad refusal.Invalid // this may run again
		client, err := tx.Client(ctx, body.ClientID)
		if errors.Is(err, storage.ErrNotFound) {
			bad.At("/client_id", "is the id of no client")
			return bad.Err()
		}
		if err != nil {
			return err
		}
		if err := c.caller.mayTouch(client); err != nil {
			return err
		}
		if err := c.makesOfficers(client, client); err != nil {
			return err
		}
		link, err := enroll.NewLink(client, seconds(body.LifetimeSeconds, enroll.DefaultLifetime), seconds(body.ValiditySeconds, enroll.DefaultValidity), c.caller.client.ID, c.now)
		if err != nil {
			bad.At(linkMember(err), strings.TrimPrefix(err.Error(), "enroll: "))
			return bad.Err()
		}
		if _, err := tx.EnrollmentIssuer(ctx, client.TrustBundle); errors.Is(err, storage.ErrNotFound) {
			return refusal.Conflicting(refusal.Taken{Pointer: "/client_id", Detail: "no CA is online for the client's trust bundle; see certbound ca online"})
		} else if err != nil {
			return err
		}
		if err := tx.CreateEnrollment(ctx, link.Enrollment); err != nil {
			return err
		}
		err = enrollments.added(h, c, tx, a, link.Enrollment.ID, outcome{kind: audit.EnrollmentCreated})
		if shown, ok := a.body.(*EnrollmentView); ok {
			a.body = NewEnrollment{*shown, link.URL(h.Issuer)}
		}
		return err
	})
}

// linkMember is the member of the body that a link could not be made of.
func linkMember(err error) string {
	switch {
	case errors.Is(err, enroll.ErrLifetime):
		return "/lifetime_seconds"
	case errors.Is(err, enroll.ErrValidity):
		return "/validity_seconds"
	}
	return "/client_id"
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

func listEnrollments(h *Handler, c *call) (*answer, error) {
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
	stored, err := h.Store.ClientEnrollments(c.Context(), id)
	if err != nil {
		return nil, err
	}
	return &answer{body: EnrollmentList{views(stored, viewEnrollment)}}, nil
}

// cancelEnrollment lets an unused link end now.
func cancelEnrollment(h *Handler, c *call) (*answer, error) {
	reason, err := c.reason(false)
	if err != nil {
		return nil, err
	}
	return enrollments.change(h, c, func(ctx context.Context, tx storage.Tx, have enrollment) (outcome, error) {
		if !have.UsedAt.IsZero() {
			return outcome{}, refusal.Conflicting(refusal.Taken{Detail: "the link has been used; revoke the certificate instead"})
		}
		return outcome{kind: audit.EnrollmentCancelled, reason: reason}, tx.CancelEnrollment(ctx, have.ID, c.now)
	})
}
