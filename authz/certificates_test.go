package authz_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// seen waits until a certificate is on record as used.
func (w *world) seen(t *testing.T, pair *keystest.Pair) storage.Certificate {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := w.store.Certificate(t.Context(), thumbprint.Of(pair.Cert))
		if err == nil && !c.FirstSeen.IsZero() {
			return c
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not seen: %+v, %v", c, err)
		}
	}
}

func (w *world) retireAt(t *testing.T, clientID string, pair *keystest.Pair, at time.Time) {
	t.Helper()
	w.update(t, func(tx storage.Tx) error {
		return tx.RetireCertificate(t.Context(), clientID, thumbprint.Of(pair.Cert), at)
	})
}

// TestSeen: a PKI client's certificate becomes a row by being used, beside the
// registration.
func TestSeen(t *testing.T) {
	w := newWorld(t)
	version := func() int64 {
		v, err := w.store.RegistrationVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := version()
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Fatal(a.text)
	}
	if c := w.seen(t, &w.acme); c.ClientID != "acme-billing" || c.Source != storage.CertificateSeen {
		t.Errorf("%+v", c)
	}
	if a := w.token(&w.edge, "acme-edge"); a.status != http.StatusOK {
		t.Fatal(a.text)
	}
	if c := w.seen(t, &w.edge); c.Source != storage.CertificateRegistered {
		t.Errorf("%+v", c)
	}
	if version() != before {
		t.Error("what the token endpoint remembers was emptied because of it")
	}
}

// TestRetiring: accepted until the time, no token beyond it, refused from then on;
// the other certificate is not concerned.
func TestRetiring(t *testing.T) {
	w := newWorld(t)
	next := w.partners.Client(t, keystest.URI(acmeURI))
	for id, pair := range map[string]*keystest.Pair{"acme-billing": &w.acme, "acme-edge": &w.edge} {
		if a := w.token(pair, id); a.status != http.StatusOK || a.body.ExpiresIn != 300 {
			t.Fatal(a.text)
		}
		w.seen(t, pair)
		w.retireAt(t, id, pair, w.clock().Add(100*time.Second))
		if a := w.token(pair, id); a.status != http.StatusOK || a.body.ExpiresIn != 100 {
			t.Errorf("%s, retiring: %s", id, a.text)
		}
	}
	w.advance(100 * time.Second)
	for id, pair := range map[string]*keystest.Pair{"acme-billing": &w.acme, "acme-edge": &w.edge} {
		a := w.token(pair, id)
		if a.status != http.StatusUnauthorized || a.body.Reason != decision.ClientAuthenticationFailed {
			t.Errorf("%s, retired: %s", id, a.text)
		}
		if got := w.log.decision(t, a.body.RequestID)["reason"]; got != string(decision.CertificateRetired) {
			t.Errorf("%s: reason %v", id, got)
		}
	}
	if a := w.token(&next, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("the next certificate: %s", a.text)
	}
	// Resource servers hear of it: the first token would have lived longer.
	w.denied(t, &w.acme)
	w.denied(t, &w.edge)
}

func (w *world) denied(t *testing.T, pair *keystest.Pair) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		denied, err := w.store.Denied(t.Context(), storage.FeedCertificate, thumbprint.Of(pair.Cert).String(), w.clock())
		if err == nil && denied {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("resource servers are not told: %v", err)
		}
	}
}

// TestRegisteredOnly: being accepted by the bundle, and having been seen, is not
// enough for a client that wants its certificates registered.
func TestRegisteredOnly(t *testing.T) {
	w := newWorld(t)
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Fatal(a.text)
	}
	record := w.seen(t, &w.acme)
	w.update(t, func(tx storage.Tx) error {
		c, err := tx.Client(t.Context(), "acme-billing")
		if err != nil {
			return err
		}
		c.RegisteredOnly = true
		return tx.UpdateClient(t.Context(), c)
	})
	refused := func(pair *keystest.Pair, id string) {
		t.Helper()
		a := w.token(pair, id)
		if a.status != http.StatusUnauthorized || w.log.decision(t, a.body.RequestID)["reason"] != string(decision.CertificateNotRegistered) {
			t.Errorf("%s", a.text)
		}
	}
	refused(&w.acme, "acme-billing")
	record.Source, record.CreatedAt = storage.CertificateRegistered, w.clock()
	w.update(t, func(tx storage.Tx) error { return tx.AddCertificate(t.Context(), record) })
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("registered: %s", a.text)
	}
	// One certificate belongs to one client, whatever else it says.
	both := w.partners.Client(t, keystest.URI(acmeURI), keystest.DNS("both.acme.example"))
	w.update(t, func(tx storage.Tx) error {
		return tx.AddCertificate(t.Context(), storage.Certificate{
			Thumbprint: thumbprint.Of(both.Cert), ClientID: "acme-billing", DER: both.Cert.Raw,
			NotBefore: both.Cert.NotBefore, NotAfter: both.Cert.NotAfter, CreatedAt: w.clock(),
		})
	})
	if a := w.token(&both, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("its owner: %s", a.text)
	}
	refused(&both, "acme-both")
}
