package authz_test

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// TestChangesCountAtOnce goes back and forth on one connection: what is kept in
// memory must never answer for what the database holds.
func TestChangesCountAtOnce(t *testing.T) {
	w := newWorld(t)
	client := w.client(&w.acme)
	request := func(form url.Values) answer {
		form.Set("client_id", "acme-billing")
		return w.do(client, w.tokenRequest(form))
	}
	disabled := func(disabled bool) {
		w.update(t, func(tx storage.Tx) error {
			c, err := tx.Client(t.Context(), "acme-billing")
			c.Disabled = disabled
			return then(err, func() error { return tx.UpdateClient(t.Context(), c) })
		})
	}
	for range 3 {
		if a := request(url.Values{}); a.status != http.StatusOK {
			t.Fatalf("enabled: %d %s", a.status, a.text)
		}
		disabled(true)
		if a := request(url.Values{}); a.status != http.StatusUnauthorized {
			t.Fatalf("disabled: %d %s", a.status, a.text)
		}
		disabled(false)
	}
	var generation int64
	w.update(t, func(tx storage.Tx) (err error) {
		generation, err = tx.RaiseGeneration(t.Context(), "acme-billing", w.clock())
		return err
	})
	a := request(url.Values{})
	if got := segment(t, a.body.AccessToken, 1)["gen"]; got != float64(generation) {
		t.Errorf("the token carries generation %v, want %d", got, generation)
	}
	x5t := thumbprint.Of(w.acme.Cert)
	w.update(t, func(tx storage.Tx) error {
		return tx.DenyCertificate(t.Context(), storage.CertificateDenial{Thumbprint: x5t, Reason: "lost", CreatedAt: w.clock()})
	})
	if a := request(url.Values{}); a.status != http.StatusUnauthorized {
		t.Errorf("with a revoked certificate: %d %s", a.status, a.text)
	}
	w.update(t, func(tx storage.Tx) error { return tx.LiftCertificate(t.Context(), x5t, w.clock()) })
	if a := request(url.Values{"resource": {accounts}}); a.status != http.StatusOK {
		t.Errorf("after the revocation was lifted: %d %s", a.status, a.text)
	}
	w.update(t, func(tx storage.Tx) error {
		api, err := tx.APIByAudience(t.Context(), accounts)
		api.Audience = "https://moved.example"
		return then(err, func() error { return tx.UpdateAPI(t.Context(), api) })
	})
	if a := request(url.Values{"resource": {accounts}}); a.status != http.StatusBadRequest || a.body.Reason != decision.TargetInvalid {
		t.Errorf("an audience that moved: %d %s", a.status, a.text)
	}
}

// TestTokensRaceDisabling issues tokens while the client is disabled and enabled.
// A token of a request that began after the disabling was acknowledged would be
// one too many.
func TestTokensRaceDisabling(t *testing.T) {
	w := newWorld(t)
	var state atomic.Int64 // odd while it is disabled for certain
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		client := w.client(&w.acme)
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := state.Load()
				a := w.do(client, w.tokenRequest(url.Values{"client_id": {"acme-billing"}}))
				if before%2 == 1 && state.Load() == before && a.status == http.StatusOK {
					t.Error("a token was issued to a disabled client")
				}
			}
		})
	}
	for i := range 40 {
		disabled := i%2 == 0
		if !disabled {
			state.Add(1)
		}
		w.update(t, func(tx storage.Tx) error {
			c, err := tx.Client(t.Context(), "acme-billing")
			c.Disabled = disabled
			return then(err, func() error { return tx.UpdateClient(t.Context(), c) })
		})
		if disabled {
			state.Add(1)
		}
	}
	close(stop)
	workers.Wait()
}
