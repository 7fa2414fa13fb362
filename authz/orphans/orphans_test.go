package orphans_test

import (
	"context"
	"crypto/x509"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/orphans"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// world is a database with a trust bundle "partners" and clients that were seen with
// certificates of it.
type world struct {
	t     *testing.T
	store storage.Store
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &world{t, store, time.Now().UTC().Truncate(time.Second)}
	w.update(func(ctx context.Context, tx storage.Tx) error {
		return tx.CreatePartner(ctx, storage.Partner{ID: "acme", CreatedAt: w.now})
	})
	return w
}

func (w *world) update(fn func(ctx context.Context, tx storage.Tx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.store.Update(ctx, func(tx storage.Tx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

// put puts a version of the bundle in force and returns whose tokens ended.
func (w *world) put(change func(*storage.TrustBundle), anchors ...*keystest.CA) (ended []string) {
	w.t.Helper()
	b := storage.TrustBundle{Name: "partners", ContentHash: "x", AnchorsPEM: pem(anchors...), CreatedAt: w.now}
	if change != nil {
		change(&b)
	}
	w.update(func(ctx context.Context, tx storage.Tx) error {
		_, all, err := orphans.Put(ctx, tx, b, w.now)
		ended = all.Clients
		return err
	})
	return ended
}

func pem(cas ...*keystest.CA) (text string) {
	for _, ca := range cas {
		text += string(ca.CertPEM())
	}
	return text
}

// client registers a client.
func (w *world) client(id, bundle string) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx storage.Tx) error {
		return tx.CreateClient(ctx, storage.Client{
			ID: id, PartnerID: "acme", Method: storage.TLSClientAuth, TrustBundle: bundle, CreatedAt: w.now,
			Matcher: storage.Matcher{Kind: storage.SANDNS, Value: id, Canonical: id},
		})
	})
}

// seen is a certificate as it is noted: with what the client sends along.
func (w *world) seen(id string, pair keystest.Pair, ago time.Duration) storage.Certificate {
	c := storage.Certificate{
		Thumbprint: thumbprint.Of(pair.Cert), ClientID: id, DER: pair.Cert.Raw,
		NotBefore: pair.Cert.NotBefore, NotAfter: pair.Cert.NotAfter, LastSeen: w.now.Add(-ago),
	}
	for _, above := range pair.Chain {
		c.Presented = append(c.Presented, above.Raw...)
	}
	return c
}

func (w *world) see(all ...storage.Certificate) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx storage.Tx) error { return tx.SeeCertificates(ctx, all) })
}

func (w *world) want(what string, got []string, want ...string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: the tokens of %v ended, want %v", what, got, want)
	}
}

// generation is that of a client, which resource servers must have been told.
func (w *world) generation(id string, want int64) {
	w.t.Helper()
	client, err := w.store.Client(w.t.Context(), id)
	if err != nil || client.Generation != want {
		w.t.Fatalf("%s has generation %d, want %d (%v)", id, client.Generation, want, err)
	}
	feed, err := w.store.FeedEntries(w.t.Context(), 0, w.now, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	told := int64(1)
	for _, e := range feed.Entries {
		if e.Subject == id && e.Kind == storage.FeedClient {
			told = e.MinGeneration
			if left := e.ExpiresAt.Sub(w.now); left < time.Hour {
				w.t.Errorf("%s is told for %s", id, left)
			}
		}
	}
	if told != want {
		w.t.Errorf("%s: resource servers know generation %d, want %d", id, told, want)
	}
}

// TestPut: only who rests on what went loses the tokens.
func TestPut(t *testing.T) {
	w := newWorld(t)
	a, b := keystest.NewCA(t, "A"), keystest.NewCA(t, "B")
	below := b.Intermediate(t, "Below B")
	w.want("the first version", w.put(nil, a))
	w.want("an authority more", w.put(nil, a, b))
	for _, id := range []string{"of-a", "of-b", "below-b", "of-both", "idle", "unseen"} {
		w.client(id, "partners")
	}
	w.see(
		w.seen("of-a", a.Client(t), time.Minute), w.seen("of-b", b.Client(t), time.Minute),
		w.seen("below-b", below.Client(t), time.Minute),
		w.seen("of-both", a.Client(t), time.Hour), w.seen("of-both", b.Client(t), 0),
		w.seen("idle", a.Client(t), 2*time.Hour), // whatever it had has expired
	)
	w.want("without A", w.put(nil, b), "of-a", "of-both")
	w.generation("of-a", 2)
	w.generation("below-b", 1)
	w.generation("idle", 1)
	w.want("A again", w.put(nil, a, b))
	w.want("pinned to the intermediate", w.put(func(b *storage.TrustBundle) { b.IssuersPEM = pem(below) }, a, b), "of-a", "of-b", "of-both")
	w.want("neither", w.put(nil, keystest.NewCA(t, "C")), "below-b", "of-a", "of-b", "of-both")
}

// TestShared: a certificate that is on record for somebody else, who may have done no
// more than publish it, shields nobody's tokens.
func TestShared(t *testing.T) {
	w := newWorld(t)
	a, b := keystest.NewCA(t, "A"), keystest.NewCA(t, "B")
	w.put(nil, a, b)
	w.client("victim", "partners")
	w.client("other", "partners")
	w.client("idle", "partners")
	of := a.Client(t)
	w.update(func(ctx context.Context, tx storage.Tx) error {
		err := tx.CreateClient(ctx, storage.Client{ID: "publisher", PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth, CreatedAt: w.now})
		if err != nil {
			return err
		}
		published := w.seen("publisher", of, 0)
		published.Source, published.CreatedAt = storage.CertificatePublished, w.now
		return tx.AddCertificate(ctx, published)
	})
	w.see(w.seen("victim", of, time.Minute), w.seen("other", b.Client(t), 0), w.seen("idle", of, 2*time.Hour))
	w.want("without A", w.put(nil, b), "victim")
	w.generation("victim", 2)
}

func TestRetire(t *testing.T) {
	w := newWorld(t)
	a := keystest.NewCA(t, "A")
	w.put(nil, a)
	w.client("one", "partners")
	w.client("two", "partners")
	w.see(w.seen("one", a.Client(t), 0))
	var ended orphans.Ended
	w.update(func(ctx context.Context, tx storage.Tx) (err error) {
		ended, err = orphans.Retire(ctx, tx, "partners", w.now)
		return err
	})
	w.want("retired", ended.Clients, "one")
	w.generation("one", 2)
	w.generation("two", 1)
	err := w.store.Update(t.Context(), func(tx storage.Tx) error {
		_, err := orphans.Retire(t.Context(), tx, "partners", w.now)
		return err
	})
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("retired twice: %v", err)
	}
	// From nothing to something nobody loses anything.
	w.want("in force again", w.put(nil, keystest.NewCA(t, "B")))
}

// TestUnreadable: what cannot be read ends its tokens, and stops nothing.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	a := keystest.NewCA(t, "A")
	w.put(nil, a)
	w.client("broken", "partners")
	c := w.seen("broken", a.Client(t), 0)
	c.DER = []byte("no DER")
	w.see(c)
	if _, err := x509.ParseCertificate(c.DER); err == nil {
		t.Fatal("it can be read")
	}
	w.want("unreadable", w.put(nil, keystest.NewCA(t, "B")), "broken")
}
