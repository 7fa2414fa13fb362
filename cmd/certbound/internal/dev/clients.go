package dev

import (
	"crypto/x509/pkix"
	"net/url"

	"github.com/certbound/certbound/keys/ca"
)

// Scopes of the demo API.
const (
	readScope  = "accounts:read"
	writeScope = "accounts:write"
)

// The trust bundles: two, so that it shows that a client is pinned to one.
const (
	partnersBundle = "partners"
	globexBundle   = "globex"
)

// clientSpec is one client dev registers and makes a certificate for.
type clientSpec struct {
	id, partner, name string
	bundle            string // "" for a self-signed client
	match             string // the subject value's name of RFC 8705 §2.1.2, without prefix
	value             string
	scopes            []string
}

// partners are the organisations behind the clients, by id.
var partners = []struct{ id, name string }{
	{"acme", "Acme Ltd"},
	{"globex", "Globex Corporation"},
	{"mallory", "Mallory & Sons"},
	{"operators", "Who runs certbound"},
	{"accounts-team", "The team that runs the accounts API"},
}

// specs are the clients of dev.json, in its order.
var specs = []clientSpec{
	{
		id: "acme-billing", partner: "acme", name: "Acme billing", bundle: partnersBundle,
		match: "san_uri", value: "spiffe://partners.certbound.test/acme/billing", scopes: []string{readScope},
	},
	{
		// The same trust bundle as acme-billing: its certificate is as good as
		// theirs in every respect but one.
		id: "mallory-app", partner: "mallory", name: "Mallory's app", bundle: partnersBundle,
		match: "subject_dn", value: "CN=mallory-app,O=Mallory & Sons,C=GB", scopes: []string{readScope},
	},
	{id: "acme-edge", partner: "acme", name: "Acme edge device", scopes: []string{readScope, writeScope}},
	{
		id: "globex-app", partner: "globex", name: "Globex app", bundle: globexBundle,
		match: "san_dns", value: "app.globex.test", scopes: []string{readScope, writeScope},
	},
}

// resourceServer is the client the demo API itself would use.
var resourceServer = clientSpec{
	id: "accounts-api", partner: "accounts-team", name: "Accounts API", bundle: partnersBundle,
	match: "san_dns", value: "accounts-api.certbound.test",
}

// administrator is who may use the admin API of a dev.
var administrator = clientSpec{id: "admin", partner: "operators", name: "Administrator"}

// profile is what the client's certificate says.
func (s *clientSpec) profile() (ca.ClientProfile, error) {
	p := ca.ClientProfile{Subject: pkix.Name{Organization: []string{s.name}, CommonName: s.id}}
	switch s.match {
	case "san_uri":
		uri, err := url.Parse(s.value)
		p.URIs = []*url.URL{uri}
		return p, err
	case "san_dns":
		p.DNSNames = []string{s.value}
	case "subject_dn":
		p.Subject = pkix.Name{Country: []string{"GB"}, Organization: []string{"Mallory & Sons"}, CommonName: s.id}
	}
	return p, nil
}
