package admin

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

func TestApply(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Now()
	apply := func(r *Registration) error { return r.Apply(t.Context(), store, now) }

	first, second := keystest.SelfSigned(t), keystest.SelfSigned(t)
	reg := &Registration{
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

	// Changes: another audience, one more certificate, a disabled client.
	reg.APIs[0].Audience = "https://b.example"
	reg.Clients[1].JWKS = publicJWKS(t, second)
	reg.Clients[0].Disabled = true
	if err := apply(reg); err != nil {
		t.Fatal(err)
	}
	if _, err := store.APIByAudience(t.Context(), "https://b.example"); err != nil {
		t.Error(err)
	}
	if certificates, err := store.ClientCertificates(t.Context(), "edge"); err != nil || len(certificates) != 2 {
		t.Errorf("%d certificates, %v", len(certificates), err)
	}
	if client, err = store.Client(t.Context(), "rs"); err != nil || !client.Disabled || client.Generation != 2 {
		t.Errorf("disabling must raise the generation: %+v, %v", client, err)
	}

	// Refusals leave nothing behind.
	for name, bad := range map[string]*Registration{
		"another client has the subject value": {
			Partners: []Partner{{ID: "left-behind"}},
			Clients:  []Client{{ClientID: "other", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "RS.example", TrustBundle: "partners"}},
		},
		"another client has the certificate": {
			Partners: []Partner{{ID: "left-behind"}},
			Clients:  []Client{{ClientID: "other", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, first)}},
		},
		"a scope nobody owns": {
			Partners: []Partner{{ID: "left-behind"}},
			Clients:  []Client{{ClientID: "edge", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, first), Scope: "made:up"}},
		},
		"another API owns the scope": {
			Partners: []Partner{{ID: "left-behind"}},
			APIs:     []API{{ID: "other", Audience: "https://c.example", Scopes: []string{"r"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := apply(bad); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("error %v, want a conflict", err)
			}
			if _, err := store.Partner(t.Context(), "left-behind"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("part of a refused registration was stored (%v)", err)
			}
		})
	}
	moved := &Registration{Partners: []Partner{{ID: "globex"}}, Clients: []Client{{ClientID: "edge", PartnerID: "globex", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, first)}}}
	if err := apply(moved); err == nil {
		t.Error("a client was moved to another partner")
	}
}
