package dev

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/storage"
)

// material is what the PKI holds once it is made or found.
type material struct {
	bundles map[string]*ca.Authority
	certs   map[string]*x509.Certificate // by client id
}

// makePKI makes or reuses everything below pki/.
func makePKI(p pki) (*material, error) {
	servers, err := p.authority("ca", "certbound dev servers")
	if err != nil {
		return nil, err
	}
	if err := p.server("server", servers); err != nil {
		return nil, err
	}
	m := &material{bundles: map[string]*ca.Authority{}, certs: map[string]*x509.Certificate{}}
	for _, bundle := range []string{partnersBundle, globexBundle} {
		if m.bundles[bundle], err = p.authority(bundle, "certbound dev "+bundle); err != nil {
			return nil, err
		}
	}
	for _, s := range append(allSpecs(), administrator) {
		profile, err := s.profile()
		if err != nil {
			return nil, fmt.Errorf("dev: client %s: %w", s.id, err)
		}
		if m.certs[s.id], err = p.client(s.id, m.bundles[s.bundle], profile); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func allSpecs() []clientSpec { return append([]clientSpec{resourceServer}, specs...) }

// seed is what dev registers. It is applied at every start: an audience
// that follows the port and a renewed certificate become changes of the records.
func seed(m *material, audience string) (*registration.Set, error) {
	r := &registration.Set{APIs: []registration.API{{
		ID: "accounts", Audience: audience, Scopes: []string{readScope, writeScope}, ResourceServers: []string{resourceServer.id},
	}}}
	for _, p := range partners {
		r.Partners = append(r.Partners, registration.Partner{ID: p.id, Name: p.name})
	}
	for _, name := range []string{partnersBundle, globexBundle} {
		r.TrustBundles = append(r.TrustBundles, registration.TrustBundle{
			Name: name, Anchors: string(ca.EncodeCertificates(m.bundles[name].Cert)),
		})
	}
	for _, s := range allSpecs() {
		client, err := s.registration(m.certs[s.id])
		if err != nil {
			return nil, fmt.Errorf("dev: client %s: %w", s.id, err)
		}
		r.Clients = append(r.Clients, client)
	}
	return r, nil
}

// registration is the body that registers a client, RFC 8705 §2.1.2 and §2.2.2.
func (s *clientSpec) registration(cert *x509.Certificate) (registration.Client, error) {
	c := registration.Client{
		ClientID: s.id, PartnerID: s.partner, ClientName: s.name,
		AuthMethod: storage.TLSClientAuth, TrustBundle: s.bundle, Scope: strings.Join(s.scopes, " "),
	}
	switch s.match {
	case "san_uri":
		c.SANURI = s.value
	case "san_dns":
		c.SANDNS = s.value
	case "subject_dn":
		c.SubjectDN = s.value
	default:
		c.AuthMethod = storage.SelfSignedTLSClientAuth
		key, err := certificateKey(cert)
		c.JWKS = &registration.JWKS{Keys: []map[string]any{key}}
		return c, err
	}
	return c, nil
}

// certificateKey is a certificate as a JWK with x5c, RFC 7517 §4.7.
func certificateKey(cert *x509.Certificate) (map[string]any, error) {
	text, err := json.Marshal(jose.JSONWebKey{Key: cert.PublicKey, Certificates: []*x509.Certificate{cert}})
	if err != nil {
		return nil, err
	}
	key := map[string]any{}
	return key, json.Unmarshal(text, &key)
}
