package admin

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

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

func judgeClient(c *call, body registration.Client, have *client, bad *refusal.Invalid) write {
	want, faults := body.Record(c.now)
	before := client{}
	if have != nil {
		before = *have
		bad.Stays("/partner_id", have.PartnerID, body.PartnerID)
	}
	bad.Faults(append(faults, want.JudgeNew(before.certificates, c.now)...))
	return func(ctx context.Context, tx storage.Tx) ([]Warning, error) {
		if have != nil {
			if err := c.caller.maySwitch(have.Disabled, want.Client.Disabled); err != nil {
				return nil, err
			}
		}
		warnings, err := clientFits(ctx, tx, c, before.Client, want)
		if err != nil {
			return nil, err
		}
		if err := registration.EnsureClient(ctx, tx, want); err != nil {
			return nil, err
		}
		if err := registration.EnsureCertificates(ctx, tx, want); err != nil {
			return nil, err
		}
		if slices.Contains(before.Scopes, ScopeSecurity) {
			return warnings, someAdministrator(ctx, tx)
		}
		return warnings, nil
	}
}

// clientFits asks everything that other records have to say: what the client refers
// to must be there, its certificates and its subject must be nobody else's, and the
// caller must be allowed to give what is given.
func clientFits(ctx context.Context, tx storage.Tx, c *call, have storage.Client, want registration.ClientRecord) ([]Warning, error) {
	if err := c.caller.mayGrant(registration.Without(want.Client.Scopes, have.Scopes)); err != nil {
		return nil, err
	}
	if err := c.makesOfficers(have, want.Client); err != nil {
		return nil, err
	}
	absent, err := registration.MissingReferences(ctx, tx, want.Client)
	if err != nil {
		return nil, err
	}
	if err := refusal.Missing(absent); err != nil {
		return nil, err
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
		return nil, c.conflicting(had...)
	}
	more, err := pinWarnings(ctx, tx, want.Client)
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
func (c *caller) mayGrant(scopes []string) error {
	for _, scope := range scopes {
		if strings.HasPrefix(scope, registration.AdminScopes) && (!c.may(ScopeSecurity) || !c.may(scope)) {
			return refusal.New(decision.ScopeInsufficient, "an admin scope is granted by "+ScopeSecurity+" only, and by nobody who lacks it")
		}
	}
	return nil
}

func takenCertificates(ctx context.Context, tx storage.Tx, want registration.ClientRecord) (had []refusal.Taken, err error) {
	for n, certificate := range want.Certificates {
		owner, err := tx.Certificate(ctx, certificate.Record.Thumbprint)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return nil, err
		case owner.ClientID != want.Client.ID && !keyset.Yields(owner, want.Client.ID):
			had = append(had, refusal.Taken{Pointer: fmt.Sprintf("/jwks/keys/%d", n), Detail: "the certificate belongs to another client", Owner: owner.ClientID})
		case owner.Source == storage.CertificateEnrolled:
			had = append(had, refusal.Taken{Pointer: fmt.Sprintf("/jwks/keys/%d", n), Detail: "the certificate was signed here for tls_client_auth; register another one"})
		}
	}
	return had, nil
}

// subjectOwners finds the clients with the same subject value: in the same trust
// bundle there can be only one (design rule 5), in another one it is to be known
// (RFC 8705 §7.4).
func subjectOwners(ctx context.Context, tx storage.Reader, want storage.Client) (had []refusal.Taken, warnings []Warning, err error) {
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
			had = append(had, refusal.Taken{Pointer: "/" + member, Detail: "another client of the same trust bundle has this subject value; one subject is one client", Owner: other.ID})
		default:
			warnings = append(warnings, Warning{"same_subject", "a client of trust bundle " + other.TrustBundle + " has the same " + member + ": only the trust bundle tells the two apart (RFC 8705 §7.4)", other.ID})
		}
	}
	return had, warnings, nil
}

// pinWarnings are about the trust bundle that a client is pinned to.
func pinWarnings(ctx context.Context, tx storage.Reader, want storage.Client) ([]Warning, error) {
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

// bodyOf is the registration that would make the client what it is.
func bodyOf(have client) (registration.Client, error) {
	body := viewOf(have.Client).Client
	body.Disabled = have.Disabled
	if have.Method != storage.SelfSignedTLSClientAuth || have.JWKSURI != "" {
		return body, nil
	}
	body.JWKS = &registration.JWKS{Keys: []map[string]any{}}
	for _, certificate := range have.certificates {
		if certificate.Source != storage.CertificateRegistered {
			continue // no credential of this method
		}
		leaf, err := x509.ParseCertificate(certificate.DER)
		if err != nil {
			return body, fmt.Errorf("admin: a registered certificate of %s: %w", have.ID, err)
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
