package admin

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

func (h *Handler) createClient(c *call) (*answer, *refusal) {
	var body registration.Client
	bad, f := h.read(c, &body)
	if f != nil {
		return nil, f
	}
	body.ClientID = orGenerated(body.ClientID)
	record, faults := body.Record(c.now)
	bad.faults(append(faults, record.JudgeNew(nil, c.now)...))
	if f := bad.refusal(); f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		id := record.Client.ID
		if _, err := tx.Client(ctx, id); !errors.Is(err, storage.ErrNotFound) {
			return orConflict(err, taken{"/client_id", "is the id of another client", id})
		}
		warnings, err := clientFits(ctx, tx, c, storage.Client{}, record)
		if err != nil {
			return err
		}
		if err := registration.EnsureClient(ctx, tx, record); err != nil {
			return err
		}
		if err := registration.EnsureCertificates(ctx, tx, record); err != nil {
			return err
		}
		stored, view, err := readView(ctx, tx, id)
		if err != nil {
			return err
		}
		a.created("/admin/v1/clients/"+url.PathEscape(id), ClientAnswer{*view, warnings}, view.etag())
		return h.record(c, tx, audit.ClientCreated, stored, nil, view)
	})
}

// ClientAnswer is a client that was registered or changed, and what deserves a look.
type ClientAnswer struct {
	ClientView
	Warnings []Warning `json:"warnings,omitempty"`
}

// Warning is something that is accepted and deserves a look. Code is stable.
type Warning struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Owner string `json:"owner,omitempty" doc:"The client it is about, when that is another one."`
}

// clientFits asks everything that other records have to say: what the client refers
// to must be there, its certificates and its subject must be nobody else's, and the
// caller must be allowed to give what is given.
func clientFits(ctx context.Context, tx storage.Tx, c *call, have storage.Client, want registration.ClientRecord) ([]Warning, error) {
	if f := c.caller.mayGrant(registration.Without(want.Client.Scopes, have.Scopes)); f != nil {
		return nil, f
	}
	absent, err := registration.MissingReferences(ctx, tx, want.Client)
	if err != nil {
		return nil, err
	}
	if f := missing(absent); f != nil {
		return nil, f
	}
	had, err := takenCertificates(ctx, tx, want)
	if err != nil {
		return nil, err
	}
	others, warnings, err := subjectOwners(ctx, tx, want.Client)
	if err != nil {
		return nil, err
	}
	if had = append(had, others...); len(had) > 0 {
		return nil, c.conflicting(had)
	}
	more, err := bundleWarnings(ctx, tx, want.Client)
	warnings = append(warnings, more...)
	if !c.caller.may(ScopeRead) {
		for i := range warnings {
			warnings[i].Owner = ""
		}
	}
	return warnings, err
}

// mayGrant lets nobody give an admin scope that they lack, and only admin:security
// give any.
func (c *caller) mayGrant(scopes []string) *refusal {
	for _, scope := range scopes {
		if strings.HasPrefix(scope, registration.AdminScopes) && (!c.may(ScopeSecurity) || !c.may(scope)) {
			return refuse(decision.ScopeInsufficient, "an admin scope is granted by "+ScopeSecurity+" only, and by nobody who lacks it")
		}
	}
	return nil
}

func takenCertificates(ctx context.Context, tx storage.Tx, want registration.ClientRecord) (had []taken, err error) {
	for n, certificate := range want.Certificates {
		owner, err := tx.Certificate(ctx, certificate.Record.Thumbprint)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return nil, err
		case owner.ClientID != want.Client.ID:
			had = append(had, taken{fmt.Sprintf("/jwks/keys/%d", n), "the certificate belongs to another client", owner.ClientID})
		}
	}
	return had, nil
}

// subjectOwners finds the clients with the same subject value: in the same trust
// bundle there can be only one (design rule 5), in another one it is to be known
// (RFC 8705 §7.4).
func subjectOwners(ctx context.Context, tx storage.Reader, want storage.Client) (had []taken, warnings []Warning, err error) {
	if want.Matcher.Canonical == "" {
		return nil, nil, nil
	}
	same, err := tx.ClientsMatching(ctx, want.Matcher.Kind, want.Matcher.Canonical)
	if err != nil {
		return nil, nil, err
	}
	member := "tls_client_auth_" + string(want.Matcher.Kind)
	for _, other := range same {
		switch {
		case other.ID == want.ID:
		case other.TrustBundle == want.TrustBundle:
			had = append(had, taken{"/" + member, "another client of the same trust bundle has this subject value; one subject is one client", other.ID})
		default:
			warnings = append(warnings, Warning{"same_subject", "a client of trust bundle " + other.TrustBundle + " has the same " + member + ": only the trust bundle tells the two apart (RFC 8705 §7.4)", other.ID})
		}
	}
	return had, warnings, nil
}

// bundleWarnings are about the trust bundle that a client is pinned to.
func bundleWarnings(ctx context.Context, tx storage.Reader, want storage.Client) ([]Warning, error) {
	if want.TrustBundle == "" {
		return nil, nil
	}
	versions, err := tx.TrustBundleVersions(ctx, want.TrustBundle)
	if err != nil {
		return nil, err
	}
	for _, b := range versions {
		if b.Status == storage.BundleActive {
			if b.AllowPublicRoots {
				return []Warning{{Code: "public_ca", Text: "the trust bundle admits authorities that everybody can get a certificate from: the subject value alone tells this client from strangers"}}, nil
			}
			return nil, nil
		}
	}
	if len(versions) == 0 {
		return []Warning{{Code: "bundle_unknown", Text: "there is no such trust bundle yet"}}, nil
	}
	return []Warning{{Code: "bundle_retired", Text: "no version of the trust bundle is active: the client is refused until one is"}}, nil
}

func (h *Handler) patchClient(c *call) (*answer, *refusal) {
	id, f := c.id()
	if f != nil {
		return nil, f
	}
	patch, f := c.content()
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, before, err := h.presentClient(ctx, tx, c, id)
		if err != nil {
			return err
		}
		registered, err := tx.ClientCertificates(ctx, id)
		if err != nil {
			return err
		}
		present, err := bodyOf(have, registered)
		if err != nil {
			return err
		}
		var body registration.Client
		bad, f := h.merge(patch, present, &body)
		if f != nil {
			return f
		}
		want, faults := body.Record(c.now)
		bad.stays("/client_id", have.ID, body.ClientID)
		bad.stays("/partner_id", have.PartnerID, body.PartnerID)
		bad.faults(append(faults, want.JudgeNew(registered, c.now)...))
		if f := bad.refusal(); f != nil {
			return f
		}
		return h.changeClient(c, tx, a, before, have, want)
	})
}

// presentClient is the client that a change is about.
func (h *Handler) presentClient(ctx context.Context, tx storage.Tx, c *call, id string) (storage.Client, *ClientView, error) {
	have, view, err := readView(ctx, tx, id)
	if err != nil {
		return have, nil, err
	}
	if f := c.caller.mayTouch(have); f != nil {
		return have, nil, f
	}
	if f := c.matches(view.etag()); f != nil {
		return have, nil, f
	}
	return have, view, nil
}

// bodyOf is the registration that would make the client what it is.
func bodyOf(client storage.Client, registered []storage.Certificate) (registration.Client, error) {
	body := viewOf(client).Client
	body.Disabled = client.Disabled
	if client.Method != storage.SelfSignedTLSClientAuth || client.JWKSURI != "" {
		return body, nil
	}
	body.JWKS = &registration.JWKS{Keys: []map[string]any{}}
	for _, certificate := range registered {
		leaf, err := x509.ParseCertificate(certificate.DER)
		if err != nil {
			return body, fmt.Errorf("admin: a registered certificate of %s: %w", client.ID, err)
		}
		key, err := jwkOf(leaf)
		if err != nil {
			return body, err
		}
		body.JWKS.Keys = append(body.JWKS.Keys, key)
	}
	return body, nil
}

// jwkOf is a certificate as it stands in jwks.
func jwkOf(leaf *x509.Certificate) (key map[string]any, err error) {
	text, err := jose.JSONWebKey{Key: leaf.PublicKey, Certificates: []*x509.Certificate{leaf}}.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return key, json.Unmarshal(text, &key)
}

func (h *Handler) changeClient(c *call, tx storage.Tx, a *answer, before *ClientView, have storage.Client, want registration.ClientRecord) error {
	ctx := c.Context()
	warnings, err := clientFits(ctx, tx, c, have, want)
	if err != nil {
		return err
	}
	if err := registration.EnsureClient(ctx, tx, want); err != nil {
		return err
	}
	if err := registration.EnsureCertificates(ctx, tx, want); err != nil {
		return err
	}
	if slices.Contains(have.Scopes, ScopeSecurity) {
		if err := someAdministrator(ctx, tx); err != nil {
			return err
		}
	}
	stored, after, err := readView(ctx, tx, have.ID)
	if err != nil {
		return err
	}
	a.changed(before, ClientAnswer{*after, warnings}, after.etag(), after.etag() != before.etag())
	if !a.change {
		return nil
	}
	kind := audit.ClientChanged
	switch {
	case stored.Disabled && !have.Disabled:
		kind = audit.ClientDisabled
	case !stored.Disabled && have.Disabled:
		kind = audit.ClientEnabled
	}
	return h.record(c, tx, kind, stored, before, after)
}
