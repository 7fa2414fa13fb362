package admin

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// JWKS is a JWK set (RFC 7517 §5) as it stands in a registration body.
type JWKS struct {
	Keys []map[string]any `yaml:"keys" json:"keys"`
}

// maxRegisteredCertificates bounds the certificates of one client.
const maxRegisteredCertificates = 16

// certificateRecord is a certificate to be stored, and to be judged.
type certificateRecord struct {
	record storage.Certificate
	leaf   *x509.Certificate
}

// certificates reads the certificates of a self-signed client, RFC 8705 §2.2.2.
func (c Client) certificates(now time.Time) (registered []certificateRecord, all faults) {
	switch {
	case len(c.subjectValues()) > 0:
		all.add("tls_client_auth_"+string(c.subjectValues()[0].Kind), errors.New("self_signed_tls_client_auth takes no tls_client_auth_* subject value"))
	case c.TrustBundle != "":
		all.add("trust_bundle", errors.New("self_signed_tls_client_auth takes no trust_bundle: its certificates are compared, not chained"))
	case c.JWKS == nil || len(c.JWKS.Keys) == 0:
		all.add("jwks", errors.New("self_signed_tls_client_auth needs jwks with the certificate in x5c (RFC 8705 §2.2.2)"))
	case len(c.JWKS.Keys) > maxRegisteredCertificates:
		all.add("jwks", fmt.Errorf("jwks has more than %d keys", maxRegisteredCertificates))
	}
	if len(all) > 0 {
		return nil, all
	}
	for i, key := range c.JWKS.Keys {
		leaf, err := certificateOf(key)
		if err != nil {
			all.add(jwksKey(i), inKey(i, err))
			continue
		}
		registered = append(registered, certificateRecord{leaf: leaf, record: storage.Certificate{
			Thumbprint: thumbprint.Of(leaf), ClientID: c.ClientID, DER: leaf.Raw,
			NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), CreatedAt: now,
		}})
	}
	return registered, all
}

// jwksKey is the path of a client's i-th key.
func jwksKey(i int) string { return fmt.Sprintf("jwks.keys[%d]", i) }

func inKey(i int, err error) error { return fmt.Errorf("%s: %w", jwksKey(i), err) }

// certificateOf reads one JWK. go-jose refuses a key that differs from the one
// in its x5c (RFC 7517 §4.7).
func certificateOf(key map[string]any) (*x509.Certificate, error) {
	text, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return nil, errors.New("not a JWK whose key equals that of the certificate in x5c")
	}
	if !jwk.IsPublic() {
		return nil, errors.New("it holds a private or symmetric key; register the public key only, and treat this one as disclosed")
	}
	if len(jwk.Certificates) == 0 {
		return nil, errors.New("x5c is missing: the certificate itself is registered (RFC 8705 §2.2.2)")
	}
	return jwk.Certificates[0], nil
}

// ensureCertificates registers the certificates that are new. What the body
// does not name, ensureClient has removed.
func ensureCertificates(ctx context.Context, tx storage.Tx, want clientRecord) error {
	registered, err := tx.ClientCertificates(ctx, want.client.ID)
	if err != nil {
		return err
	}
	for _, certificate := range want.certificates {
		if containsCertificate(registered, certificate.record) {
			continue
		}
		if err := tx.AddCertificate(ctx, certificate.record); err != nil {
			return err
		}
	}
	return nil
}

func containsCertificate(all []storage.Certificate, one storage.Certificate) bool {
	return slices.ContainsFunc(all, func(c storage.Certificate) bool { return c.Thumbprint == one.Thumbprint })
}

// removeCertificates takes away what the body does not name, and reports whether
// there was any. Certificates of a client that never was self-signed are not
// its credentials and are left alone.
func removeCertificates(ctx context.Context, tx storage.Tx, have storage.Client, want clientRecord) (bool, error) {
	if have.Method != storage.SelfSignedTLSClientAuth && want.client.Method != storage.SelfSignedTLSClientAuth {
		return false, nil
	}
	registered, err := tx.ClientCertificates(ctx, have.ID)
	if err != nil {
		return false, err
	}
	removed := false
	for _, certificate := range registered {
		named := slices.ContainsFunc(want.certificates, func(c certificateRecord) bool {
			return c.record.Thumbprint == certificate.Thumbprint
		})
		if named {
			continue
		}
		if err := tx.RemoveCertificate(ctx, have.ID, certificate.Thumbprint); err != nil {
			return false, err
		}
		removed = true
	}
	return removed, nil
}
