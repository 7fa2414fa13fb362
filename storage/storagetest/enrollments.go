package storagetest

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

func enrollment(id, clientID string) storage.Enrollment {
	return storage.Enrollment{
		ID: id, SecretHash: sha256.Sum256([]byte(id)), ClientID: clientID, TrustBundle: "partners",
		SANKind: storage.SANURI, SAN: "spiffe://acme.example/" + clientID, Lifetime: 90 * 24 * time.Hour,
		CreatedBy: "admin", CreatedAt: stored(0), ExpiresAt: stored(60),
	}
}

func testEnrollments(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	first, second := enrollment("e1", "edge"), enrollment("e2", "edge")
	second.CreatedAt = stored(1)
	do(t, s, func(tx storage.Tx) error {
		for _, id := range []string{"edge", "other"} {
			if err := tx.CreateClient(ctx, selfSignedClient(id)); err != nil {
				return err
			}
		}
		if err := tx.CreateEnrollment(ctx, second); err != nil {
			return err
		}
		return tx.CreateEnrollment(ctx, first)
	})
	same(t, "by id", must[storage.Enrollment](t)(s.Enrollment(ctx, "e1")), first)
	same(t, "by secret", must[storage.Enrollment](t)(s.EnrollmentBySecret(ctx, second.SecretHash)), second)
	same(t, "of a client", must[[]storage.Enrollment](t)(s.ClientEnrollments(ctx, "edge")), []storage.Enrollment{first, second})
	same(t, "of another", must[[]storage.Enrollment](t)(s.ClientEnrollments(ctx, "other")), []storage.Enrollment(nil))
	_, err := s.Enrollment(ctx, "nothing")
	notFound(t, "no such link", err)
	_, err = s.EnrollmentBySecret(ctx, [32]byte{1})
	notFound(t, "no such secret", err)

	x5t := thumbprint.Thumbprint{7}
	do(t, s, func(tx storage.Tx) error { return tx.UseEnrollment(ctx, "e1", x5t, at(59)) })
	first.UsedAt, first.Thumbprint = stored(59), x5t
	same(t, "used", must[storage.Enrollment](t)(s.Enrollment(ctx, "e1")), first)
	do(t, s, func(tx storage.Tx) error { return tx.CancelEnrollment(ctx, "e2", at(30)) })
	if e := must[storage.Enrollment](t)(s.Enrollment(ctx, "e2")); !e.ExpiresAt.Equal(stored(30)) {
		t.Errorf("cancelled: it expires %s", e.ExpiresAt)
	}

	use := func(id string, when int) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error { return tx.UseEnrollment(ctx, id, x5t, at(when)) }
	}
	make := func(change func(*storage.Enrollment)) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			e := enrollment("e3", "edge")
			change(&e)
			return tx.CreateEnrollment(ctx, e)
		}
	}
	checkRefused(t, s, []refused{
		{"used twice", use("e1", 59), storage.ErrStale},
		{"used when it has expired", use("e2", 30), storage.ErrStale},
		{"used when it is not there", use("e9", 1), storage.ErrNotFound},
		{"cancelled when used", func(ctx context.Context, tx storage.Tx) error { return tx.CancelEnrollment(ctx, "e1", at(1)) }, storage.ErrNotFound},
		{"its id again", make(func(e *storage.Enrollment) { e.ID = "e1" }), storage.ErrConflict},
		{"its secret again", make(func(e *storage.Enrollment) { e.SecretHash = first.SecretHash }), storage.ErrConflict},
		{"no such client", make(func(e *storage.Enrollment) { e.ClientID = "nobody" }), storage.ErrConflict},
		{"no such bundle", make(func(e *storage.Enrollment) { e.TrustBundle = "nobody's" }), storage.ErrConflict},
	})
	forget := func(before, limit int) (n int64) {
		do(t, s, func(tx storage.Tx) (err error) { n, err = tx.ForgetEnrollments(ctx, at(before), limit); return err })
		return n
	}
	if n := forget(30, 9); n != 0 {
		t.Errorf("%d links forgotten that end now", n)
	}
	if n := forget(9999, 1); n != 1 {
		t.Errorf("%d links forgotten, want the oldest", n)
	}
	same(t, "the other, although used", must[[]storage.Enrollment](t)(s.ClientEnrollments(ctx, "edge")), []storage.Enrollment{first})
	if n := forget(9999, 9); n != 1 {
		t.Errorf("%d links forgotten, want the other", n)
	}
}

func testEnrollmentIssuers(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	_, err := s.EnrollmentIssuer(ctx, "partners")
	notFound(t, "no issuer", err)
	issuer := storage.EnrollmentIssuer{TrustBundle: "partners", ChainPEM: "pem", KEKID: "kek-1", Sealed: []byte{0, 1, 255}, CreatedAt: stored(0)}
	put := func() {
		t.Helper()
		do(t, s, func(tx storage.Tx) error { return tx.PutEnrollmentIssuer(ctx, issuer) })
		same(t, "issuer", must[storage.EnrollmentIssuer](t)(s.EnrollmentIssuer(ctx, "partners")), issuer)
	}
	put()
	issuer.ChainPEM, issuer.KEKID, issuer.Sealed, issuer.CreatedAt = "other", "kek-2", []byte{2}, stored(9)
	put()
	same(t, "all", must[[]storage.EnrollmentIssuer](t)(s.EnrollmentIssuers(ctx)), []storage.EnrollmentIssuer{issuer})
	checkRefused(t, s, []refused{
		{"no such bundle", func(ctx context.Context, tx storage.Tx) error {
			other := issuer
			other.TrustBundle = "nobody's"
			return tx.PutEnrollmentIssuer(ctx, other)
		}, storage.ErrConflict},
		{"removed when not there", func(ctx context.Context, tx storage.Tx) error {
			return tx.RemoveEnrollmentIssuer(ctx, "nobody's")
		}, storage.ErrNotFound},
	})
	do(t, s, func(tx storage.Tx) error { return tx.RemoveEnrollmentIssuer(ctx, "partners") })
	_, err = s.EnrollmentIssuer(ctx, "partners")
	notFound(t, "removed", err)
}
