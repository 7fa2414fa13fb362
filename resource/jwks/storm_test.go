package jwks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/jwks"
)

// TestStormOfUnknownKids: a hundred thousand of them from many sides cost the
// issuer a handful of fetches and us a bounded memory, and the known key is served
// throughout, as is one that is published in the middle of it.
func TestStormOfUnknownKids(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	r := i.remote(t)
	expect(t, r, "k1", "found")
	var wg sync.WaitGroup
	for side := range 8 {
		wg.Go(func() {
			for n := range 12_500 {
				if keys, err := r.Keys(context.Background(), fmt.Sprintf("made-up-%d-%d", side, n)); len(keys) != 0 || err != nil {
					t.Errorf("%v, %v", keys, err)
					return
				}
				if n%500 == 0 {
					expect(t, r, "k1", "found")
					i.pass(10 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	if n := i.fetches(); n > 2 { // two seconds have passed
		t.Errorf("%d fetches", n)
	}
	if n := r.UnknownKids(); n > 1000 {
		t.Errorf("%d unknown kids are remembered", n)
	}
	i.publish(t, "k1", "k2")
	i.pass(10 * time.Second)
	expect(t, r, "k2", "found")
}

// TestUnchangedKeyKeepsItsPointer: whoever remembers a key can see at a glance
// that it is the same after a fetch, and that it is not.
func TestUnchangedKeyKeepsItsPointer(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	r := i.remote(t)
	key := func() any {
		t.Helper()
		keys, err := r.Keys(context.Background(), "k1")
		if err != nil || len(keys) != 1 {
			t.Fatalf("%v, %v", keys, err)
		}
		return keys[0].Key
	}
	first := key()
	i.pass(time.Hour)
	if key() != first || i.fetches() != 2 {
		t.Errorf("the same key is another one after %d fetches", i.fetches())
	}
	i.publish(t, "k1")
	i.pass(time.Hour)
	if key() == first {
		t.Error("another key under the same kid was not noticed")
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Keys(context.Background(), "k1") }); n != 0 {
		t.Errorf("%v allocations for a known key", n)
	}
}

func TestMaxStale(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	r, err := jwks.New(jwks.Config{
		Issuer: issuerURL, HTTPClient: &http.Client{Transport: i}, Clock: i.clock, Logger: slog.New(slog.DiscardHandler), MaxStale: 2 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, r, "k1", "found")
	i.change(func() { i.down = true })
	i.pass(2*time.Hour - time.Second)
	expect(t, r, "k1", "found")
	i.pass(time.Second)
	expect(t, r, "k1", "unavailable")
	for _, d := range []time.Duration{time.Second, 8 * 24 * time.Hour, -1} {
		want := fmt.Sprintf("jwks: MaxStale %v is not between 1m0s and 168h0m0s", d)
		if _, err := jwks.New(jwks.Config{Issuer: issuerURL, MaxStale: d}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
