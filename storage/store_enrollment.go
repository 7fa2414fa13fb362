package storage

import (
	"context"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// EnrollmentReader reads enrolment links and who signs for them.
type EnrollmentReader interface {
	// Enrollment returns a link by its id, or ErrNotFound.
	Enrollment(ctx context.Context, id string) (Enrollment, error)
	// EnrollmentBySecret returns the link with that hash of a secret, or ErrNotFound.
	EnrollmentBySecret(ctx context.Context, hash [32]byte) (Enrollment, error)
	// ClientEnrollments returns a client's links, oldest first.
	ClientEnrollments(ctx context.Context, clientID string) ([]Enrollment, error)
	// EnrollmentIssuer returns who signs for a trust bundle, or ErrNotFound.
	EnrollmentIssuer(ctx context.Context, trustBundle string) (EnrollmentIssuer, error)
	// EnrollmentIssuers returns all of them, by trust bundle.
	EnrollmentIssuers(ctx context.Context) ([]EnrollmentIssuer, error)
}

// EnrollmentWriter writes enrolment links. They are no part of the registration;
// the certificates that come of them are.
type EnrollmentWriter interface {
	// CreateEnrollment inserts e; ErrConflict if its id or secret is known, or the
	// client or bundle is not.
	CreateEnrollment(ctx context.Context, e Enrollment) error
	// UseEnrollment notes which certificate came of a link; ErrNotFound if there is
	// no such link, ErrStale if it was used before or had expired by then.
	UseEnrollment(ctx context.Context, id string, t thumbprint.Thumbprint, now time.Time) error
	// CancelEnrollment lets an unused link expire now; ErrNotFound if there is none, or
	// it was used.
	CancelEnrollment(ctx context.Context, id string, now time.Time) error
	// ForgetEnrollments deletes at most limit links, used or not, that expired before a
	// time, the oldest first, and returns how many.
	ForgetEnrollments(ctx context.Context, before time.Time, limit int) (int64, error)
	// PutEnrollmentIssuer inserts or replaces who signs for a trust bundle; ErrConflict
	// if there is no such bundle.
	PutEnrollmentIssuer(ctx context.Context, i EnrollmentIssuer) error
	// RemoveEnrollmentIssuer deletes one; ErrNotFound if there is none.
	RemoveEnrollmentIssuer(ctx context.Context, trustBundle string) error
}
