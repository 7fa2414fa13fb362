package registration

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

func newStore(t *testing.T) storage.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestApply(t *testing.T) {
	store := newStore(t)
	now := time.Now()
	apply := func(r *Set) error { return r.Apply(t.Context(), store, now) }

	first, second := keystest.SelfSigned(t), keystest.SelfSigned(t)
	reg := &Set{
		Partners:     []Partner{{ID: "acme", Name: "Acme"}},
		TrustBundles: []TrustBundle{{Name: "partners", Anchors: string(keystest.NewCA(t, "CA").CertPEM())}},
		APIs:         []API{{ID: "accounts", Audience: "https://a.example", Scopes: []string{"w", "r", "r"}, ResourceServers: []string{"rs"}}},
		Clients: []Client{
			{ClientID: "rs", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "rs.example", TrustBundle: "partners"},
			{ClientID: "edge", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, first), Scope: "r"},
		},
	}
	for range 2 { // the second time nothing may change
		if err := apply(reg); err != nil {
			t.Fatal(err)
		}
	}
	client, err := store.Client(t.Context(), "rs")
	if err != nil || client.Version != 1 || client.Generation != 1 || client.Matcher.Canonical != "rs.example" {
		t.Errorf("client %+v, %v", client, err)
	}
	api, err := store.API(t.Context(), "accounts")
	if err != nil || len(api.Scopes) != 2 || len(api.ResourceServers) != 1 {
		t.Errorf("api %+v, %v", api, err)
	}
	bundles, err := store.TrustBundles(t.Context())
	if err != nil || len(bundles) != 1 {
		t.Errorf("%d bundle versions, %v", len(bundles), err)
	}

	// Changes: another audience, another certificate, a disabled client.
	reg.APIs[0].Audience = "https://b.example"
	reg.Clients[1].JWKS = publicJWKS(t, second)
	reg.Clients[0].Disabled = true
	if err := apply(reg); err != nil {
		t.Fatal(err)
	}
	if _, err := store.APIByAudience(t.Context(), "https://b.example"); err != nil {
		t.Error(err)
	}
	if certificates, err := store.ClientCertificates(t.Context(), "edge"); err != nil || len(certificates) != 1 {
		t.Errorf("%d certificates, %v", len(certificates), err)
	}
	if client, err = store.Client(t.Context(), "rs"); err != nil || !client.Disabled || client.Generation != 2 {
		t.Errorf("disabling must raise the generation: %+v, %v", client, err)
	}

	// Refusals leave nothing behind.
	self := func(id, partner, scope string, pair keystest.Pair) []Client {
		return []Client{{ClientID: id, PartnerID: partner, AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, pair), Scope: scope}}
	}
	pki := func(name, bundle string) []Client {
		return []Client{{ClientID: "other", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: name, TrustBundle: bundle}}
	}
	for want, bad := range map[string]*Set{
		"another client of the same trust bundle has this subject value": {Clients: pki("RS.example", "partners")},
		"another client has this certificate":                            {Clients: self("other", "acme", "", second)},
		`scope: no API owns "made:up"`:                                   {Clients: self("edge", "acme", "made:up", first)},
		`partner_id: there is no partner "nobody"`:                       {Clients: self("other", "nobody", "", keystest.SelfSigned(t))},
		`trust_bundle: there is no trust bundle "no"`:                    {Clients: pki("x.example", "no")},
		"another API owns one of these scopes":                           {APIs: []API{{ID: "other", Audience: "https://c.example", Scopes: []string{"r"}}}},
		"another API has this audience":                                  {APIs: []API{{ID: "other", Audience: "https://b.example", Scopes: []string{"new"}}}},
	} {
		t.Run(want, func(t *testing.T) {
			bad.Partners = []Partner{{ID: "left-behind"}}
			err := apply(bad)
			if !errors.Is(err, storage.ErrConflict) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want a conflict that says %q", err, want)
			}
			if _, err := store.Partner(t.Context(), "left-behind"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("part of a refused registration was stored (%v)", err)
			}
		})
	}
	moved := &Set{Partners: []Partner{{ID: "globex"}}, Clients: []Client{{ClientID: "edge", PartnerID: "globex", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, first)}}}
	if err := apply(moved); err == nil {
		t.Error("a client was moved to another partner")
	}
}
