package registration

import (
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

func seeded(t *testing.T, ca *keystest.CA, edge keystest.Pair) *Set {
	t.Helper()
	return &Set{
		Partners:     []Partner{{ID: "acme"}},
		TrustBundles: []TrustBundle{{Name: "partners", Anchors: string(ca.CertPEM())}},
		APIs:         []API{{ID: "accounts", Audience: "https://a.example", Scopes: []string{"r"}}},
		Clients: []Client{
			{ClientID: "billing", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "b.example", TrustBundle: "partners", Scope: "r"},
			{ClientID: "edge", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, edge), Scope: "r"},
		},
	}
}

// TestApplyYearsLater: what expired after it was accepted keeps nobody from
// starting, and what is new is judged by the day it comes.
func TestApplyYearsLater(t *testing.T) {
	store := newStore(t)
	now := time.Now()
	ca, edge := keystest.NewCA(t, "CA"), keystest.SelfSigned(t)
	other := keystest.NewCA(t, "Other CA")
	later := other.Cert.NotAfter.Add(time.Hour) // past the end of all three
	reg := seeded(t, ca, edge)
	if err := reg.Apply(t.Context(), store, now); err != nil {
		t.Fatal(err)
	}
	if err := reg.Apply(t.Context(), store, later); err != nil {
		t.Fatalf("the registration the store already holds is refused: %v", err)
	}
	bundles, err := store.TrustBundles(t.Context())
	if err != nil || len(bundles) != 1 {
		t.Errorf("%d bundle versions, %v", len(bundles), err)
	}
	for _, id := range []string{"billing", "edge"} {
		if c, err := store.Client(t.Context(), id); err != nil || c.Version != 1 || c.Generation != 1 {
			t.Errorf("%s was changed: %+v, %v", id, c, err)
		}
	}
	if err := reg.Check(later); err == nil {
		t.Error("a store that knows none of it would take what has expired")
	}
	if err := reg.CheckShape(); err != nil {
		t.Errorf("the shape depends on the day: %v", err)
	}

	for name, c := range map[string]struct {
		change func(*Set)
		want   string
	}{
		"new bundle": {func(r *Set) {
			r.TrustBundles = append(r.TrustBundles, TrustBundle{Name: "others", Anchors: string(other.CertPEM())})
		}, `registration: trust_bundles[1] "others": trust: bundle others: anchors: certificate 1 (CN=Other CA): it expired at 2099-12-31T23:59:59Z`},
		"new content": {func(r *Set) { r.TrustBundles[0].Anchors = string(other.CertPEM()) },
			`registration: trust_bundles[0] "partners": trust: bundle partners: anchors: certificate 1 (CN=Other CA): it expired`},
		"two in one bundle": {func(r *Set) { r.TrustBundles[0].Anchors += string(other.CertPEM()) },
			`registration: trust_bundles[0] "partners": trust: bundle partners: anchors: certificate 1 (CN=CA): it expired at 2099-12-31T23:59:59Z
registration: trust_bundles[0] "partners": trust: bundle partners: anchors: certificate 2 (CN=Other CA): it expired`},
		"new certificate": {func(r *Set) { r.Clients[1].JWKS = publicJWKS(t, edge, keystest.SelfSigned(t)) },
			`registration: clients[1] "edge": jwks.keys[1]: `},
		"another client's certificate": {func(r *Set) { r.Clients[1].ClientID = "edge-2" },
			`registration: clients[1] "edge-2": jwks.keys[0]: `},
	} {
		t.Run(name, func(t *testing.T) {
			changed := seeded(t, ca, edge)
			c.change(changed)
			err := changed.Apply(t.Context(), store, later)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Count(err.Error(), "\n") != strings.Count(c.want, "\n") {
				t.Errorf("got %v, want only %s", err, c.want)
			}
		})
	}

	// A content that was active once is not any more.
	reg.TrustBundles[0].Anchors = string(other.CertPEM())
	if err := reg.Apply(t.Context(), store, now); err != nil {
		t.Fatal(err)
	}
	if err := seeded(t, ca, edge).Apply(t.Context(), store, later); err == nil {
		t.Error("an expired bundle was made active again")
	}
}
