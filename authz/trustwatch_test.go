package authz_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

// await asks often until the condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick, end := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it does not come about: %s", what)
		}
	}
}

// TestTrustFollowsTheDatabase: what another process changes is in force without a
// call, and what cannot be put in force leaves the old, is said and is over when it
// is repaired.
func TestTrustFollowsTheDatabase(t *testing.T) {
	w := newWorld(t)
	allowed := func() bool { return w.token(&w.acme, "acme-billing").status == http.StatusOK }
	if !allowed() || w.server.TrustCurrent(t.Context()) != nil {
		t.Fatal("it begins badly")
	}
	w.put(t, string(keystest.NewCA(t, "Next CA").CertPEM()))
	await(t, "the old CA is out of force", func() bool { return !allowed() })
	w.put(t, string(w.partners.CertPEM()))
	await(t, "it is back", allowed)

	w.put(t, "not a certificate")
	await(t, "it is said", func() bool { return w.server.TrustCurrent(t.Context()) != nil })
	if err := w.server.TrustCurrent(t.Context()); !strings.HasPrefix(err.Error(), "authz: trust bundle partners@4: ") {
		t.Errorf("it says %v", err)
	}
	if !allowed() {
		t.Error("the bundles that were in force are gone")
	}
	w.put(t, string(w.partners.CertPEM()))
	await(t, "it is over", func() bool { return w.server.TrustCurrent(t.Context()) == nil })
	for message, want := range map[string]int{"trust_reload_failed": 1, "trust_reload_recovered": 1, "trust_reloaded": 3} {
		await(t, message, func() bool { return strings.Count(w.log.text(), `"msg":"`+message+`"`) == want })
	}
}
