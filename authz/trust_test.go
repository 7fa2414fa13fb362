package authz_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/storage"
)

// put stores a version of a bundle the way an older program with other rules
// may have done.
func (w *world) put(t *testing.T, anchors string) {
	t.Helper()
	w.update(t, func(tx storage.Tx) error {
		_, err := tx.PutTrustBundle(t.Context(), storage.TrustBundle{
			Name: "partners", ContentHash: "h", AnchorsPEM: anchors, CreatedAt: w.clock(),
		})
		return err
	})
}

// TestStoredBundleThatDoesNotLoad: an active one stops everything, a retired one
// nothing but its own reason.
func TestStoredBundleThatDoesNotLoad(t *testing.T) {
	w := newWorld(t)
	w.put(t, "not a certificate")
	err := w.server.ReloadTrust(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "authz: trust bundle partners@2: trust: bundle partners: anchors: ") {
		t.Errorf("an active bundle that does not load: %v", err)
	}
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("the bundles that were in force are gone: %s", a.text)
	}

	w.put(t, string(w.partners.CertPEM()))
	if err := w.server.ReloadTrust(t.Context()); err != nil {
		t.Fatalf("a retired bundle stops the server: %v", err)
	}
	if a := w.token(&w.acme, "acme-billing"); a.status != http.StatusOK {
		t.Errorf("%s", a.text)
	}
	if log := w.log.text(); !strings.Contains(log, `"msg":"retired_bundle_skipped","trust_bundle":"partners","version":2,"detail":"trust: bundle partners: anchors: `) {
		t.Errorf("it was skipped silently:\n%s", log)
	}
}

func TestCheckIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://as.example":       "",
		"https://as.example/a":     "",
		"http://as.example":        `metadata: issuer "http://as.example" is not an https URL`,
		"https://as.example/":      `metadata: issuer "https://as.example/" ends in a slash; leave it out`,
		"https://as.example?a=b":   `metadata: issuer "https://as.example?a=b" has a query or a fragment`,
		"https://as.example/a%2fb": `metadata: issuer "https://as.example/a%2fb" has escapes in its path`,
	} {
		got := ""
		if err := authz.CheckIssuer(issuer); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CheckIssuer(%q) = %s, want %s", issuer, got, want)
		}
	}
}
