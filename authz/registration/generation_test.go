package registration

import (
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// applied brings the store to the registration and returns a client of it.
func applied(t *testing.T, store storage.Store, r *Set, id string) storage.Client {
	t.Helper()
	if err := r.Apply(t.Context(), store, time.Now()); err != nil {
		t.Fatal(err)
	}
	c, err := store.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRegisteredOnlyEndsTokens: those that an unregistered certificate got would be
// refused now.
func TestRegisteredOnlyEndsTokens(t *testing.T) {
	store := newStore(t)
	reg := seeded(t, keystest.NewCA(t, "CA"), keystest.SelfSigned(t))
	app := &reg.Clients[0]
	for _, step := range []struct {
		only       bool
		generation int64
	}{{false, 1}, {true, 2}, {true, 2}, {false, 2}} {
		app.RegisteredOnly = step.only
		if c := applied(t, store, reg, app.ClientID); c.RegisteredOnly != step.only || c.Generation != step.generation {
			t.Errorf("registered_only %t: generation %d, want %d", step.only, c.Generation, step.generation)
		}
	}
}

// TestReplacedCertificate: the certificates of a self-signed client are those in
// the body, and tokens issued for one that went are dead.
func TestReplacedCertificate(t *testing.T) {
	store := newStore(t)
	ca, first, second := keystest.NewCA(t, "CA"), keystest.SelfSigned(t), keystest.SelfSigned(t)
	reg := seeded(t, ca, first)
	applied(t, store, reg, "edge")
	for _, step := range []struct {
		name       string
		pairs      []keystest.Pair
		generation int64
	}{
		{"one more", []keystest.Pair{first, second}, 1},
		{"in another order", []keystest.Pair{second, first}, 1},
		{"the first one goes", []keystest.Pair{second}, 2},
		{"nothing changes", []keystest.Pair{second}, 2},
		{"replaced at once", []keystest.Pair{first}, 3},
	} {
		reg.Clients[1].JWKS = publicJWKS(t, step.pairs...)
		if c := applied(t, store, reg, "edge"); c.Generation != step.generation {
			t.Errorf("%s: generation %d, want %d", step.name, c.Generation, step.generation)
		}
		registered, err := store.ClientCertificates(t.Context(), "edge")
		if err != nil || len(registered) != len(step.pairs) {
			t.Fatalf("%s: %d certificates, %v; want %d", step.name, len(registered), err, len(step.pairs))
		}
		for _, pair := range step.pairs {
			if !contains(registered, storage.Certificate{Thumbprint: thumbprint.Of(pair.Cert)}) {
				t.Errorf("%s: a certificate of the body is missing", step.name)
			}
		}
	}

	// A certificate goes from one client to another in one registration, whichever
	// of them comes first.
	third := keystest.SelfSigned(t)
	reg.Clients = append(reg.Clients, Client{ClientID: "edge-2", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, second)})
	applied(t, store, reg, "edge-2")
	reg.Clients[1].JWKS, reg.Clients[2].JWKS = publicJWKS(t, second), publicJWKS(t, third)
	applied(t, store, reg, "edge")
	reg.Clients[1].JWKS, reg.Clients[2].JWKS = publicJWKS(t, third), publicJWKS(t, second)
	applied(t, store, reg, "edge")

	// To another method: the old credential is gone, for good.
	before := applied(t, store, reg, "edge")
	reg.Clients[1] = Client{ClientID: "edge", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "edge.example", TrustBundle: "partners", Scope: "r"}
	after := applied(t, store, reg, "edge")
	registered, err := store.ClientCertificates(t.Context(), "edge")
	if err != nil || len(registered) != 0 || after.Generation != before.Generation+1 {
		t.Errorf("%d certificates, generation %d → %d, %v", len(registered), before.Generation, after.Generation, err)
	}
}

// TestPublishedCertificate: the certificates of a client with a jwks_uri are those
// that were read there, until it has another address or none.
func TestPublishedCertificate(t *testing.T) {
	store := newStore(t)
	ca, first, second := keystest.NewCA(t, "CA"), keystest.SelfSigned(t), keystest.SelfSigned(t)
	reg := seeded(t, ca, first)
	applied(t, store, reg, "edge")
	edge := &reg.Clients[1]
	read := func(pair keystest.Pair) {
		t.Helper()
		err := store.Update(t.Context(), func(tx storage.Tx) error {
			return keyset.Add(t.Context(), tx, keyset.Record("edge", pair.Cert, time.Now()), time.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name         string
		change       func()
		certificates int
		generation   int64
	}{
		{"from jwks to jwks_uri", func() { edge.JWKS, edge.JWKSURI = nil, "https://a.example/jwks" }, 0, 2},
		{"applied again, after it was read", func() { read(second) }, 1, 2},
		{"a scope less", func() { edge.Scope = "" }, 1, 3},
		{"another address", func() { edge.JWKSURI = "https://b.example/jwks" }, 0, 4},
		{"read", func() { read(second) }, 1, 4},
		{"back to jwks, with the one that was read", func() { edge.JWKS, edge.JWKSURI = publicJWKS(t, second), "" }, 1, 4},
	} {
		step.change()
		c := applied(t, store, reg, "edge")
		registered, err := store.ClientCertificates(t.Context(), "edge")
		if err != nil || len(registered) != step.certificates || c.Generation != step.generation || c.JWKSURI != edge.JWKSURI {
			t.Errorf("%s: %d certificates, generation %d, address %q, %v; want %d and %d",
				step.name, len(registered), c.Generation, c.JWKSURI, err, step.certificates, step.generation)
		}
	}
}

// TestDisabledPartner: design rule 11 for all clients of a partner at once.
func TestDisabledPartner(t *testing.T) {
	store := newStore(t)
	reg := seeded(t, keystest.NewCA(t, "CA"), keystest.SelfSigned(t))
	reg.Partners = append(reg.Partners, Partner{ID: "globex"})
	reg.Clients = append(reg.Clients, Client{ClientID: "app", PartnerID: "globex", AuthMethod: storage.TLSClientAuth, SANDNS: "app.example", TrustBundle: "partners"})
	applied(t, store, reg, "edge")
	for _, step := range []struct {
		name       string
		disabled   bool
		generation int64
	}{
		{"disabled", true, 2},
		{"disabled already", true, 2},
		{"enabled again", false, 2},
		{"disabled again", true, 3},
	} {
		reg.Partners[0].Disabled = step.disabled
		for _, id := range []string{"billing", "edge"} {
			if c := applied(t, store, reg, id); c.Generation != step.generation || c.PartnerDisabled != step.disabled {
				t.Errorf("%s: %s has generation %d, want %d", step.name, id, c.Generation, step.generation)
			}
		}
		if c := applied(t, store, reg, "app"); c.Generation != 1 {
			t.Errorf("%s: a client of another partner has generation %d", step.name, c.Generation)
		}
	}
	// The clients need not be in the registration that locks their partner out.
	alone := &Set{Partners: []Partner{{ID: "globex", Disabled: true}}}
	if c := applied(t, store, alone, "app"); c.Generation != 2 {
		t.Errorf("generation %d, want 2", c.Generation)
	}
}

// TestSeenCertificateBecomesACredential: a row that a tls_client_auth client left
// behind because it used the certificate does not keep the same certificate from being
// registered when the client becomes a self-signed one. One that was signed here stays
// on record as that.
func TestSeenCertificateBecomesACredential(t *testing.T) {
	for _, source := range []storage.CertificateSource{storage.CertificateSeen, storage.CertificateEnrolled} {
		store, pair := newStore(t), keystest.SelfSigned(t)
		reg := seeded(t, keystest.NewCA(t, "CA"), keystest.SelfSigned(t))
		applied(t, store, reg, "billing")
		record := keyset.Record("billing", pair.Cert, time.Now())
		record.Source, record.FirstSeen, record.LastSeen = source, time.Now(), time.Now()
		err := store.Update(t.Context(), func(tx storage.Tx) error {
			if source == storage.CertificateSeen {
				return tx.SeeCertificates(t.Context(), []storage.Certificate{record})
			}
			return tx.AddCertificate(t.Context(), record)
		})
		if err != nil {
			t.Fatal(err)
		}
		reg.Clients[0] = Client{ClientID: "billing", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, pair)}
		if source == storage.CertificateEnrolled {
			if err := reg.Apply(t.Context(), store, time.Now()); err == nil || !strings.Contains(err.Error(), "signed here for tls_client_auth") {
				t.Errorf("registered what was signed here: %v", err)
			}
			reg.Clients[0].JWKS = publicJWKS(t, keystest.SelfSigned(t))
			applied(t, store, reg, "billing")
			if kept, err := store.Certificate(t.Context(), record.Thumbprint); err != nil || kept.Source != source {
				t.Errorf("%+v %v", kept, err)
			}
			continue
		}
		for range 2 {
			applied(t, store, reg, "billing")
			registered, err := store.ClientCertificates(t.Context(), "billing")
			if err != nil || len(registered) != 1 || registered[0].Source != storage.CertificateRegistered {
				t.Errorf("%s: %+v %v", source, registered, err)
			}
		}
	}
}
