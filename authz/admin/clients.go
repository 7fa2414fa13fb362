package admin

import (
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/etag"
	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// ClientView is a client as the API shows it: its registration, and what has
// become of it.
type ClientView struct {
	registration.Client
	Disabled        bool              `json:"disabled"` // always there, unlike in a registration
	PartnerDisabled bool              `json:"partner_disabled"`
	Generation      int64             `json:"generation"`
	Version         int64             `json:"version"`
	CreatedAt       time.Time         `json:"created_at"`
	UpdatedAt       time.Time         `json:"updated_at"`
	Certificates    []CertificateView `json:"certificates,omitempty"` // registered ones; not in lists
	KeySet          *KeySetView       `json:"key_set,omitempty"`      // of a jwks_uri
}

// KeySetView says how it goes with a client's jwks_uri.
type KeySetView struct {
	ReadAt   *time.Time `json:"read_at"`           // the last time it went well; null when never
	Failures int64      `json:"failures"`          // since then
	Problem  string     `json:"problem,omitempty"` // of the last try; with no failures, what was left out
	NextTry  time.Time  `json:"next_try"`
}

// CertificateView names a registered certificate, without its bytes.
type CertificateView struct {
	Thumbprint string    `json:"x5t#S256"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
}

// client is a client with what else its view consists of.
type client struct {
	storage.Client
	certificates []storage.Certificate
	keySet       storage.KeySet // when it has a jwks_uri
}

func findClient(c *call, from storage.Reader, id string) (found client, err error) {
	if found.Client, err = from.Client(c.Context(), id); err != nil {
		return found, err
	}
	if found.certificates, err = from.ClientCertificates(c.Context(), id); err != nil {
		return found, err
	}
	if found.JWKSURI != "" {
		found.keySet, err = from.KeySet(c.Context(), id)
	}
	return found, err
}

var clients = registered[registration.Client, client, *ClientView]{
	collection: collection[client, *ClientView]{
		path: "/admin/v1/clients",
		find: findClient,
		view: func(_ *call, found client) *ClientView { return found.view() },
		// How it goes with the jwks_uri is left out: an administrator's change must not
		// fail because a set was read meanwhile.
		tagOf: func(v *ClientView) string {
			registered := *v
			registered.KeySet = nil
			return etag.Of(registered)
		},
		guard:  func(c *call, found client) error { return c.caller.mayTouch(found.Client) },
		about:  func(found client) subject { return subject{client: found.Client} },
		answer: func(v *ClientView, warnings []Warning) any { return ClientAnswer{*v, warnings} },
	},
	member: "/client_id",
	taken:  "is the id of another client",
	idOf:   func(b *registration.Client) *string { return &b.ClientID },
	body:   bodyOf,
	judge:  judgeClient,
	kind: func(before *client, after registration.Client) audit.Kind {
		switch {
		case before == nil:
			return audit.ClientCreated
		case after.Disabled && !before.Disabled:
			return audit.ClientDisabled
		case !after.Disabled && before.Disabled:
			return audit.ClientEnabled
		}
		return audit.ClientChanged
	},
}

func viewOf(c storage.Client) *ClientView {
	v := &ClientView{
		Client: registration.Client{
			ClientID: c.ID, PartnerID: c.PartnerID, ClientName: c.Name, AuthMethod: c.Method,
			TrustBundle: c.TrustBundle, JWKSURI: c.JWKSURI, RegisteredOnly: c.RegisteredOnly, Scope: strings.Join(c.Scopes, " "),
		},
		Disabled: c.Disabled, PartnerDisabled: c.PartnerDisabled,
		Generation: c.Generation, Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	switch c.Matcher.Kind {
	case storage.SubjectDN:
		v.SubjectDN = c.Matcher.Value
	case storage.SANDNS:
		v.SANDNS = c.Matcher.Value
	case storage.SANURI:
		v.SANURI = c.Matcher.Value
	case storage.SANIP:
		v.SANIP = c.Matcher.Value
	case storage.SANEmail:
		v.SANEmail = c.Matcher.Value
	}
	return v
}

func (c client) view() *ClientView {
	v := viewOf(c.Client)
	for _, one := range c.certificates {
		if !one.Registered() {
			continue // the view, and its ETag, do not change because a client works
		}
		v.Certificates = append(v.Certificates, CertificateView{one.Thumbprint.String(), one.NotBefore, one.NotAfter})
	}
	if c.JWKSURI != "" {
		v.KeySet = &KeySetView{ReadAt: orNil(c.keySet.ReadAt), Failures: c.keySet.Failures, Problem: c.keySet.Problem, NextTry: c.keySet.DueAt}
	}
	return v
}

// ClientPage is a page of clients.
type ClientPage struct {
	Clients []*ClientView `json:"clients"`
}

// listClients shows no certificates: they would be another query for each client.
var listClients = list([]string{"partner", "trust_bundle", "scope"},
	func(c *call, from storage.Reader, q *listing.Query, limit int) ([]client, error) {
		found, err := from.Clients(c.Context(), storage.ClientQuery{
			PartnerID: q.Text("partner"), TrustBundle: q.Text("trust_bundle"), Scope: q.Text("scope"), After: q.Text("after"), Limit: limit,
		})
		if err != nil {
			return nil, err
		}
		all := make([]client, len(found))
		for i, one := range found {
			all[i].Client = one
			if one.JWKSURI == "" {
				continue
			}
			if all[i].keySet, err = from.KeySet(c.Context(), one.ID); err != nil {
				return nil, err
			}
		}
		return all, nil
	},
	func(c *client) string { return c.ID }, client.view,
	func(all []*ClientView) any { return ClientPage{all} })
