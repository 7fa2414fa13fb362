package storagetest

import (
	"testing"

	"github.com/certbound/certbound/storage"
)

// testCertificatesInUse: those of one trust bundle's clients, in the order in which
// they were last seen, with what came with them.
func testCertificatesInUse(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	see := func(clientID, name string, when int, presented string) storage.Certificate {
		t.Helper()
		c := certificate(clientID, name, 0)
		c.LastSeen, c.Presented = at(when), []byte(presented)
		do(t, s, func(tx storage.Tx) error { return tx.SeeCertificates(ctx, []storage.Certificate{c}) })
		return must[storage.Certificate](t)(s.Certificate(ctx, c.Thumbprint))
	}
	do(t, s, func(tx storage.Tx) error {
		if _, err := tx.PutTrustBundle(ctx, bundle("globex", "first")); err != nil {
			return err
		}
		for id, name := range map[string]string{"a": "partners", "b": "partners", "c": "globex"} {
			c := pkiClient(id, id)
			c.TrustBundle = name
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
		}
		return tx.AddCertificate(ctx, certificate("a", "never seen", 0))
	})
	see("a", "early", 5, "")
	third := see("a", "late", 30, "chain")
	second := see("b", "b", 20, "")
	other := see("c", "c", 25, "")
	if string(third.Presented) != "chain" || second.Presented != nil {
		t.Errorf("presented %q and %q", third.Presented, second.Presented)
	}
	inUse := func(name string, after storage.SeenCursor, limit int) []storage.Certificate {
		t.Helper()
		return must[[]storage.Certificate](t)(s.CertificatesInUse(ctx, name, after, limit))
	}
	since := storage.SeenCursor{LastSeen: at(10)}
	same(t, "in use", inUse("partners", since, 10), []storage.Certificate{second, third})
	same(t, "one", inUse("partners", since, 1), []storage.Certificate{second})
	same(t, "the next", inUse("partners", storage.SeenCursor{LastSeen: second.LastSeen, Thumbprint: second.Thumbprint}, 10), []storage.Certificate{third})
	same(t, "of another bundle", inUse("globex", since, 10), []storage.Certificate{other})
	same(t, "of none", inUse("nobody's", since, 10), []storage.Certificate{})
	if got := see("a", "late", 40, ""); got.Presented != nil {
		t.Errorf("what came with it the last time: %q", got.Presented)
	}
	sharing := func(name string, since int) []string {
		t.Helper()
		return must[[]string](t)(s.ClientsSharing(ctx, name, at(since)))
	}
	same(t, "nobody shares", sharing("partners", 0), []string{})
	shared := certificate("c", "late", 0) // which is that of a
	shared.LastSeen = at(50)
	do(t, s, func(tx storage.Tx) error { return tx.SeeCertificates(ctx, []storage.Certificate{shared}) })
	same(t, "shares", sharing("globex", 50), []string{"c"})
	same(t, "since then", sharing("globex", 51), []string{})
	same(t, "in another bundle", sharing("partners", 0), []string{})
	if _, err := s.CertificatesInUse(ctx, "partners", since, 0); err == nil {
		t.Error("a list without limit")
	}
}
