package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// prints are the thumbprints of a list.
func prints(all []storage.Certificate) (out []thumbprint.Thumbprint) {
	for _, c := range all {
		out = append(out, c.Thumbprint)
	}
	return out
}

// testCertificateLife: retirement, and what ends when.
func testCertificateLife(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	a, b, c := certificate("edge", "a", 0), certificate("edge", "b", 10), certificate("edge", "c", 20)
	b.Source = storage.CertificateEnrolled
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreateClient(ctx, selfSignedClient("edge")); err != nil {
			return err
		}
		for _, one := range []storage.Certificate{a, b, c} {
			if err := tx.AddCertificate(ctx, one); err != nil {
				return err
			}
		}
		return tx.RetireCertificate(ctx, "edge", a.Thumbprint, at(100))
	})
	got := must[storage.Certificate](t)(s.Certificate(ctx, a.Thumbprint))
	if !got.RetireAt.Equal(stored(100)) || got.Source != storage.CertificateRegistered || !got.Registered() {
		t.Errorf("retiring: %+v", got)
	}
	if got := must[storage.Certificate](t)(s.Certificate(ctx, b.Thumbprint)); got.Source != storage.CertificateEnrolled || !got.RetireAt.IsZero() {
		t.Errorf("enrolled: %+v", got)
	}

	retired := func(now int) []thumbprint.Thumbprint {
		return prints(must[[]storage.Certificate](t)(s.RetiredCertificates(ctx, at(now), 9)))
	}
	same(t, "nobody to tell yet", retired(99), []thumbprint.Thumbprint(nil))
	same(t, "to be told", retired(100), []thumbprint.Thumbprint{a.Thumbprint})
	do(t, s, func(tx storage.Tx) error { return tx.ToldRetired(ctx, a.Thumbprint) })
	same(t, "told", retired(200), []thumbprint.Thumbprint(nil))
	do(t, s, func(tx storage.Tx) error { return tx.RetireCertificate(ctx, "edge", a.Thumbprint, at(150)) })
	same(t, "another time", retired(200), []thumbprint.Thumbprint{a.Thumbprint})
	do(t, s, func(tx storage.Tx) error { return tx.RetireCertificate(ctx, "edge", a.Thumbprint, time.Time{}) })
	same(t, "taken back", retired(200), []thumbprint.Thumbprint(nil))

	checkRefused(t, s, []refused{
		{"retire another client's", func(ctx context.Context, tx storage.Tx) error {
			return tx.RetireCertificate(ctx, "nobody", a.Thumbprint, at(1))
		}, storage.ErrNotFound},
		{"told of what is not there", func(ctx context.Context, tx storage.Tx) error {
			return tx.ToldRetired(ctx, certificate("edge", "fresh", 0).Thumbprint)
		}, storage.ErrNotFound},
	})

	// They end at 3600, 3610 and 3620.
	expiring := func(after storage.CertificateCursor, until, limit int) []thumbprint.Thumbprint {
		return prints(must[[]storage.Certificate](t)(s.ExpiringCertificates(ctx, after, at(until), limit)))
	}
	begin := storage.CertificateCursor{NotAfter: at(0)}
	same(t, "none yet", expiring(begin, 3599, 9), []thumbprint.Thumbprint(nil))
	same(t, "soonest first", expiring(begin, 3610, 9), []thumbprint.Thumbprint{a.Thumbprint, b.Thumbprint})
	same(t, "a page", expiring(begin, 9999, 2), []thumbprint.Thumbprint{a.Thumbprint, b.Thumbprint})
	same(t, "the next", expiring(storage.CertificateCursor{NotAfter: at(3610), Thumbprint: b.Thumbprint}, 9999, 2), []thumbprint.Thumbprint{c.Thumbprint})
	for _, count := range []struct {
		now, until int
		want       int64
	}{{0, 3599, 0}, {0, 3610, 2}, {3600, 9999, 2}, {3620, 9999, 0}} {
		if n := must[int64](t)(s.CountExpiringCertificates(ctx, at(count.now), at(count.until))); n != count.want {
			t.Errorf("from %d until %d: %d, want %d", count.now, count.until, n, count.want)
		}
	}
	if _, err := s.ExpiringCertificates(ctx, begin, at(1), 0); err == nil {
		t.Error("a limit of 0 is accepted")
	}
	if _, err := s.RetiredCertificates(ctx, at(1), 0); err == nil {
		t.Error("a limit of 0 is accepted")
	}
}

// testCertificatesSeen: being seen makes a row of what has none, says when, and
// gives no rights.
func testCertificatesSeen(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	known, fresh := certificate("edge", "known", 0), certificate("edge", "fresh", 0)
	do(t, s, func(tx storage.Tx) error {
		for _, id := range []string{"edge", "other"} {
			if err := tx.CreateClient(ctx, selfSignedClient(id)); err != nil {
				return err
			}
		}
		return tx.AddCertificate(ctx, known)
	})
	see := func(clientID string, c storage.Certificate, when int) {
		t.Helper()
		c.ClientID, c.LastSeen = clientID, at(when)
		do(t, s, func(tx storage.Tx) error { return tx.SeeCertificates(ctx, []storage.Certificate{c}) })
	}
	check := func(c storage.Certificate, owner string, source storage.CertificateSource, first, last int) {
		t.Helper()
		got := must[storage.Certificate](t)(s.Certificate(ctx, c.Thumbprint))
		if got.ClientID != owner || got.Source != source || !got.FirstSeen.Equal(stored(first)) || !got.LastSeen.Equal(stored(last)) {
			t.Errorf("%+v, want %s %q seen from %d to %d", got, owner, source, first, last)
		}
	}
	see("edge", known, 5)
	check(known, "edge", storage.CertificateRegistered, 5, 5)
	see("edge", known, 9)
	see("edge", known, 7) // a slower instance
	check(known, "edge", storage.CertificateRegistered, 5, 9)
	see("other", known, 20)
	check(known, "edge", storage.CertificateRegistered, 5, 9)
	see("edge", fresh, 6)
	check(fresh, "edge", storage.CertificateSeen, 6, 6)

	checkRefused(t, s, []refused{{"registered for another", func(ctx context.Context, tx storage.Tx) error {
		return tx.AddCertificate(ctx, certificate("other", "fresh", 0))
	}, storage.ErrConflict}, {"of no client", func(ctx context.Context, tx storage.Tx) error {
		c := certificate("nobody", "x", 0)
		c.LastSeen = at(1)
		return tx.SeeCertificates(ctx, []storage.Certificate{c})
	}, storage.ErrConflict}})
	do(t, s, func(tx storage.Tx) error { return tx.AddCertificate(ctx, fresh) })
	check(fresh, "edge", storage.CertificateRegistered, 6, 6)

	old := certificate("edge", "old", -9000)
	see("edge", old, 1)
	forget := func(before, limit int) (n int64) {
		do(t, s, func(tx storage.Tx) (err error) { n, err = tx.ForgetSeen(ctx, at(before), limit); return err })
		return n
	}
	if n := forget(-9000+3600, 9); n != 0 {
		t.Errorf("%d forgotten before their end", n)
	}
	if n := forget(9999, 9); n != 1 {
		t.Errorf("%d forgotten, want the one that was only seen", n)
	}
	_, err := s.Certificate(ctx, old.Thumbprint)
	notFound(t, "forgotten", err)
}
