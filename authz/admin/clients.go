package admin

import (
	"context"
	"strings"
	"time"

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

// viewReader reads what a client's view consists of.
type viewReader interface {
	storage.ClientReader
	storage.CertificateReader
	keySets
}

// keySets reads how it goes with a client's jwks_uri.
type keySets interface {
	KeySet(ctx context.Context, clientID string) (storage.KeySet, error)
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

func readView(ctx context.Context, from viewReader, id string) (storage.Client, *ClientView, error) {
	client, err := from.Client(ctx, id)
	if err != nil {
		return client, nil, err
	}
	registered, err := from.ClientCertificates(ctx, id)
	if err != nil {
		return client, nil, err
	}
	v := viewOf(client)
	for _, c := range registered {
		if !c.Registered() {
			continue // the view, and its ETag, do not change because a client works
		}
		v.Certificates = append(v.Certificates, CertificateView{c.Thumbprint.String(), c.NotBefore, c.NotAfter})
	}
	return client, v, v.readKeySet(ctx, from)
}

func (v *ClientView) readKeySet(ctx context.Context, from keySets) error {
	if v.JWKSURI == "" {
		return nil
	}
	k, err := from.KeySet(ctx, v.ClientID)
	if err != nil {
		return err
	}
	v.KeySet = &KeySetView{Failures: k.Failures, Problem: k.Problem, NextTry: k.DueAt}
	if !k.ReadAt.IsZero() {
		v.KeySet.ReadAt = &k.ReadAt
	}
	return nil
}

// etag leaves out how it goes with the jwks_uri: an administrator's change must not
// fail because a set was read meanwhile.
func (v *ClientView) etag() string {
	registered := *v
	registered.KeySet = nil
	return etagOf(registered)
}

func (h *Handler) getClient(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	_, v, err := readView(c.Context(), h.Store, id)
	if err != nil {
		return nil, unavailable(err)
	}
	return &answer{body: v, etag: v.etag()}, nil
}

// ClientPage is a page of clients.
type ClientPage struct {
	Clients []*ClientView `json:"clients"`
}

func (h *Handler) listClients(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "partner", "trust_bundle", "scope", "limit", "after")
	if f != nil {
		return nil, f
	}
	wanted := storage.ClientQuery{PartnerID: q.text("partner"), TrustBundle: q.text("trust_bundle"), Scope: q.text("scope")}
	return page(c, q,
		func(after string, limit int) ([]*ClientView, error) {
			wanted.After, wanted.Limit = after, limit
			found, err := h.Store.Clients(c.Context(), wanted)
			list := views(found, viewOf)
			for _, v := range list {
				if err == nil {
					err = v.readKeySet(c.Context(), h.Store)
				}
			}
			return list, err
		},
		func(v **ClientView) string { return (*v).ClientID },
		func(found []*ClientView) any { return ClientPage{found} })
}
