package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

const selectEnrollment = `
	SELECT id, secret_hash, client_id, trust_bundle, san_kind, san, lifetime_seconds, created_by, created_at, expires_at, used_at, thumbprint
	FROM enrollments `

func scanEnrollment(scan func(...any) error) (e storage.Enrollment, err error) {
	var hash storage.AuditHash
	var lifetime int64
	err = scan(&e.ID, hashInto{&hash}, &e.ClientID, &e.TrustBundle, &e.SANKind, &e.SAN, &lifetime, &e.CreatedBy,
		timeInto{&e.CreatedAt}, timeInto{&e.ExpiresAt}, timeInto{&e.UsedAt}, optional{thumbprintInto{&e.Thumbprint}})
	e.SecretHash, e.Lifetime = hash, time.Duration(lifetime)*time.Second
	return e, err
}

func (r reader) enrollment(ctx context.Context, where string, arg any) (storage.Enrollment, error) {
	found, err := list(ctx, r, selectEnrollment+where, []any{arg}, scanEnrollment)
	if err != nil {
		return storage.Enrollment{}, err
	}
	if len(found) == 0 {
		return storage.Enrollment{}, storage.ErrNotFound
	}
	return found[0], nil
}

// Enrollment implements storage.EnrollmentReader.
func (r reader) Enrollment(ctx context.Context, id string) (storage.Enrollment, error) {
	return r.enrollment(ctx, `WHERE id = $1`, id)
}

// EnrollmentBySecret implements storage.EnrollmentReader.
func (r reader) EnrollmentBySecret(ctx context.Context, hash [32]byte) (storage.Enrollment, error) {
	return r.enrollment(ctx, `WHERE secret_hash = $1`, hash[:])
}

// ClientEnrollments implements storage.EnrollmentReader.
func (r reader) ClientEnrollments(ctx context.Context, clientID string) ([]storage.Enrollment, error) {
	return list(ctx, r, selectEnrollment+`WHERE client_id = $1 ORDER BY created_at, id`, []any{clientID}, scanEnrollment)
}

// CreateEnrollment implements storage.EnrollmentWriter.
func (t *tx) CreateEnrollment(ctx context.Context, e storage.Enrollment) error {
	if e.Lifetime%time.Second != 0 {
		return t.fail(fmt.Errorf("storage: enrollment: lifetime %s is not whole seconds", e.Lifetime))
	}
	return t.execBeside(ctx, "enrollments refers to no client or trust bundle", `
		INSERT INTO enrollments (id, secret_hash, client_id, trust_bundle, san_kind, san, lifetime_seconds, created_by, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		e.ID, e.SecretHash[:], e.ClientID, e.TrustBundle, string(e.SANKind), e.SAN, int64(e.Lifetime/time.Second), e.CreatedBy,
		seconds(e.CreatedAt), seconds(e.ExpiresAt))
}

// UseEnrollment implements storage.EnrollmentWriter.
func (t *tx) UseEnrollment(ctx context.Context, id string, print thumbprint.Thumbprint, now time.Time) error {
	var one int
	used, err := t.writeBeside(ctx, "enrollments", `
		UPDATE enrollments SET used_at = $1, thumbprint = $2 WHERE id = $3 AND used_at IS NULL AND expires_at > $1 RETURNING 1`,
		[]any{now.Unix(), print[:], id}, &one)
	if err != nil || used {
		return err
	}
	if _, err := t.Enrollment(ctx, id); err != nil {
		return t.fail(err)
	}
	return t.fail(storage.ErrStale)
}

// CancelEnrollment implements storage.EnrollmentWriter.
func (t *tx) CancelEnrollment(ctx context.Context, id string, now time.Time) error {
	var one int
	changed, err := t.writeBeside(ctx, "enrollments", `
		UPDATE enrollments SET expires_at = CASE WHEN expires_at < $1 THEN expires_at ELSE $1 END WHERE id = $2 AND used_at IS NULL RETURNING 1`,
		[]any{now.Unix(), id}, &one)
	if err == nil && !changed {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}

// ForgetEnrollments implements storage.EnrollmentWriter.
func (t *tx) ForgetEnrollments(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.forget(ctx, `
		DELETE FROM enrollments WHERE id IN (
			SELECT id FROM enrollments WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING 1`,
		before.Unix(), limit)
}

const selectIssuer = `SELECT trust_bundle, chain_pem, kek_id, sealed, created_at FROM enrollment_issuers `

func scanIssuer(scan func(...any) error) (i storage.EnrollmentIssuer, err error) {
	err = scan(&i.TrustBundle, &i.ChainPEM, &i.KEKID, &i.Sealed, timeInto{&i.CreatedAt})
	return i, err
}

// EnrollmentIssuer implements storage.EnrollmentReader.
func (r reader) EnrollmentIssuer(ctx context.Context, trustBundle string) (storage.EnrollmentIssuer, error) {
	found, err := list(ctx, r, selectIssuer+`WHERE trust_bundle = $1`, []any{trustBundle}, scanIssuer)
	if err != nil {
		return storage.EnrollmentIssuer{}, err
	}
	if len(found) == 0 {
		return storage.EnrollmentIssuer{}, storage.ErrNotFound
	}
	return found[0], nil
}

// EnrollmentIssuers implements storage.EnrollmentReader.
func (r reader) EnrollmentIssuers(ctx context.Context) ([]storage.EnrollmentIssuer, error) {
	return list(ctx, r, selectIssuer+`ORDER BY trust_bundle`, nil, scanIssuer)
}

// PutEnrollmentIssuer implements storage.EnrollmentWriter.
func (t *tx) PutEnrollmentIssuer(ctx context.Context, i storage.EnrollmentIssuer) error {
	return t.execBeside(ctx, "enrollment_issuers.trust_bundle refers to no trust bundle", `
		INSERT INTO enrollment_issuers (trust_bundle, chain_pem, kek_id, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (trust_bundle) DO UPDATE SET
			chain_pem = excluded.chain_pem, kek_id = excluded.kek_id, sealed = excluded.sealed, created_at = excluded.created_at`,
		i.TrustBundle, i.ChainPEM, i.KEKID, i.Sealed, seconds(i.CreatedAt))
}

// RemoveEnrollmentIssuer implements storage.EnrollmentWriter.
func (t *tx) RemoveEnrollmentIssuer(ctx context.Context, trustBundle string) error {
	var one int
	removed, err := t.writeBeside(ctx, "enrollment_issuers", `DELETE FROM enrollment_issuers WHERE trust_bundle = $1 RETURNING 1`,
		[]any{trustBundle}, &one)
	if err == nil && !removed {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}
