package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/certbound/certbound/storage"
)

// ClientView is a client as the API shows it: its registration, and what has
// become of it.
type ClientView struct {
	Client
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
		Client: Client{
			ClientID: c.ID, PartnerID: c.PartnerID, ClientName: c.Name, AuthMethod: c.Method,
			TrustBundle: c.TrustBundle, JWKSURI: c.JWKSURI, Scope: strings.Join(c.Scopes, " "),
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

// etag is strong (RFC 9110 §8.8.1): it is made of the representation, which also
// changes with the client's partner, and not of the version alone. How it goes
// with the jwks_uri is left out: an administrator's change must not fail because a
// set was read meanwhile.
func (v *ClientView) etag() string {
	registered := *v
	registered.KeySet = nil
	text, err := json.Marshal(registered)
	if err != nil { // a struct of texts, numbers and times
		panic(err)
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

func (h *Handler) getClient(c *call) (*answer, *refusal) {
	id, f := c.clientID()
	if f != nil {
		return nil, f
	}
	_, v, err := readView(c.Context(), h.Store, id)
	if err != nil {
		return nil, unavailable(err)
	}
	return &answer{body: v, etag: v.etag()}, nil
}

func (h *Handler) listClients(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "limit", "after")
	if f != nil {
		return nil, f
	}
	limit := q.limit()
	if f := q.bad.refusal(); f != nil {
		return nil, f
	}
	// One more than asked for, to know whether there is another page.
	found, err := h.Lister.Clients(c.Context(), q.text("after"), limit+1)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &answer{}
	if len(found) > limit {
		found = found[:limit]
		a.link = q.next(c.URL.Path, "after", found[limit-1].ID)
	}
	list := make([]*ClientView, len(found))
	for i := range found {
		list[i] = viewOf(found[i])
		if err := list[i].readKeySet(c.Context(), h.Lister); err != nil {
			return nil, unavailable(err)
		}
	}
	a.body = struct {
		Clients []*ClientView `json:"clients"`
	}{list}
	return a, nil
}
