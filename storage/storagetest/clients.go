package storagetest

import (
	"context"
	"testing"

	"github.com/certbound/certbound/storage"
)

func testClients(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	_, err := s.Client(ctx, "billing")
	notFound(t, "unknown client", err)

	pki := pkiClient("billing", "spiffe://acme/billing")
	pki.Scopes = []string{"payments:make", "accounts:read"} // not sorted
	pki.Generation, pki.Version = 9, 9                      // the store counts
	self := selfSignedClient("edge")
	self.Disabled = true
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreateClient(ctx, pki); err != nil {
			return err
		}
		return tx.CreateClient(ctx, self)
	})

	pki.Scopes = []string{"accounts:read", "payments:make"}
	for _, want := range []storage.Client{pki, self} {
		want.Generation, want.Version = 1, 1
		want.CreatedAt, want.UpdatedAt = stored(0), stored(0)
		same(t, want.ID, must[storage.Client](t)(s.Client(ctx, want.ID)), want)
	}

	do(t, s, func(tx storage.Tx) error {
		p := partner("acme")
		p.Version, p.Disabled = 1, true
		return tx.UpdatePartner(ctx, p)
	})
	if c := must[storage.Client](t)(s.Client(ctx, "billing")); !c.PartnerDisabled || c.Disabled {
		t.Errorf("a client of a disabled partner reads PartnerDisabled=%v, Disabled=%v", c.PartnerDisabled, c.Disabled)
	}
}

func testClientUpdates(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	c := pkiClient("billing", "spiffe://acme/billing")
	c.Scopes = []string{"accounts:read", "accounts:write"}
	do(t, s, func(tx storage.Tx) error { return tx.CreateClient(ctx, c) })

	for _, step := range []struct {
		name   string
		change func(*storage.Client)
	}{
		{"scopes", func(c *storage.Client) { c.Scopes = []string{"accounts:read", "payments:make"} }},
		{"no scopes", func(c *storage.Client) { c.Scopes = nil }},
		{"disabled, generation raised", func(c *storage.Client) { c.Disabled, c.Generation = true, c.Generation+5 }},
		{"matcher", func(c *storage.Client) {
			c.Matcher = storage.Matcher{Kind: storage.SubjectDN, Value: "CN=Billing", Canonical: "2.5.4.3=billing"}
		}},
		{"to self-signed", func(c *storage.Client) {
			c.Method, c.Matcher, c.TrustBundle = storage.SelfSignedTLSClientAuth, storage.Matcher{}, ""
		}},
		{"name", func(c *storage.Client) { c.Name, c.UpdatedAt = "Renamed", at(7) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			want := must[storage.Client](t)(s.Client(ctx, "billing"))
			step.change(&want)
			moved := want
			moved.PartnerID = "nobody" // never changes, so it is not even looked at
			do(t, s, func(tx storage.Tx) error { return tx.UpdateClient(ctx, moved) })
			want.Version++
			if step.name == "name" {
				want.UpdatedAt = stored(7)
			}
			same(t, "client", must[storage.Client](t)(s.Client(ctx, "billing")), want)
		})
	}
}

func testClientRules(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		first := pkiClient("first", "uri:one")
		first.Scopes = []string{"accounts:read"}
		if err := tx.CreateClient(ctx, first); err != nil {
			return err
		}
		if err := tx.CreateClient(ctx, pkiClient("second", "uri:two")); err != nil {
			return err
		}
		// What is the same but for its kind or its bundle is another subject.
		dns := pkiClient("dns", "uri:one")
		dns.Matcher.Kind = storage.SANDNS
		if err := tx.CreateClient(ctx, dns); err != nil {
			return err
		}
		if _, err := tx.PutTrustBundle(ctx, bundle("others", "anchors")); err != nil {
			return err
		}
		elsewhere := pkiClient("elsewhere", "uri:one")
		elsewhere.TrustBundle = "others"
		if err := tx.CreateClient(ctx, elsewhere); err != nil {
			return err
		}
		raised := must[storage.Client](t)(tx.Client(ctx, "second"))
		raised.Generation = 4
		return tx.UpdateClient(ctx, raised)
	})

	create := func(change func(*storage.Client)) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			c := pkiClient("third", "uri:three")
			change(&c)
			return tx.CreateClient(ctx, c)
		}
	}
	update := func(change func(*storage.Client)) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			c, err := tx.Client(ctx, "second")
			if err != nil {
				return err
			}
			change(&c)
			return tx.UpdateClient(ctx, c)
		}
	}
	checkRefused(t, s, []refused{
		{"id taken", create(func(c *storage.Client) { c.ID = "first" }), storage.ErrConflict},
		{"matcher taken", create(func(c *storage.Client) { c.Matcher.Canonical = "uri:one" }), storage.ErrConflict},
		{"no such partner", create(func(c *storage.Client) { c.PartnerID = "nobody" }), storage.ErrConflict},
		{"no such bundle", create(func(c *storage.Client) { c.TrustBundle = "nothing" }), storage.ErrConflict},
		{"no such scope", create(func(c *storage.Client) { c.Scopes = []string{"accounts:read", "accounts:burn"} }), storage.ErrConflict},
		{"scope twice", create(func(c *storage.Client) { c.Scopes = []string{"accounts:read", "accounts:read"} }), storage.ErrConflict},
		{"update to a matcher taken", update(func(c *storage.Client) { c.Matcher.Canonical = "uri:one" }), storage.ErrConflict},
		{"update to no such bundle", update(func(c *storage.Client) { c.TrustBundle = "nothing" }), storage.ErrConflict},
		{"update to no such scope", update(func(c *storage.Client) { c.Scopes = []string{"accounts:burn"} }), storage.ErrConflict},
		{"generation lowered", update(func(c *storage.Client) { c.Generation-- }), storage.ErrConflict},
		{"old version", update(func(c *storage.Client) { c.Version-- }), storage.ErrStale},
		{"unknown", update(func(c *storage.Client) { c.ID = "third" }), storage.ErrNotFound},
	})
	_, err := s.Client(ctx, "third")
	notFound(t, "a refused client", err)

	for name, change := range map[string]func(*storage.Client){
		"PKI without matcher":     func(c *storage.Client) { c.Matcher = storage.Matcher{} },
		"PKI without bundle":      func(c *storage.Client) { c.TrustBundle = "" },
		"self-signed with bundle": func(c *storage.Client) { c.Method, c.Matcher = storage.SelfSignedTLSClientAuth, storage.Matcher{} },
		"self-signed with match":  func(c *storage.Client) { c.Method, c.TrustBundle = storage.SelfSignedTLSClientAuth, "" },
		"unknown method":          func(c *storage.Client) { c.Method = "client_secret_basic" },
		"unknown matcher kind":    func(c *storage.Client) { c.Matcher.Kind = "common_name" },
		"id with a space":         func(c *storage.Client) { c.ID = "two words" },
		"empty id":                func(c *storage.Client) { c.ID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			if err := failing(t, s, create(change)); err == nil {
				t.Error("accepted")
			}
		})
	}
}
