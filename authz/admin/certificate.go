package admin

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// JWKS is a JWK set (RFC 7517 §5) as it stands in a registration body.
type JWKS struct {
	Keys []map[string]any `yaml:"keys" json:"keys"`
}

// maxRegisteredCertificates bounds the certificates of one client.
const maxRegisteredCertificates = 16

// certificates reads the certificates of a self-signed client, RFC 8705 §2.2.2.
func (c Client) certificates(now time.Time) ([]storage.Certificate, error) {
	switch {
	case len(c.subjectValues()) > 0:
		return nil, errors.New("self_signed_tls_client_auth takes no tls_client_auth_* subject value")
	case c.TrustBundle != "":
		return nil, errors.New("self_signed_tls_client_auth takes no trust_bundle: its certificates are compared, not chained")
	case c.JWKS == nil || len(c.JWKS.Keys) == 0:
		return nil, errors.New("self_signed_tls_client_auth needs jwks with the certificate in x5c (RFC 8705 §2.2.2)")
	case len(c.JWKS.Keys) > maxRegisteredCertificates:
		return nil, fmt.Errorf("jwks has more than %d keys", maxRegisteredCertificates)
	}
	var registered []storage.Certificate
	for i, key := range c.JWKS.Keys {
		leaf, err := certificateOf(key, now)
		if err != nil {
			return nil, fmt.Errorf("jwks.keys[%d]: %w", i, err)
		}
		registered = append(registered, storage.Certificate{
			Thumbprint: thumbprint.Of(leaf), ClientID: c.ClientID, DER: leaf.Raw,
			NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), CreatedAt: now,
		})
	}
	return registered, nil
}

// certificateOf reads one JWK. go-jose refuses a key that differs from the one
// in its x5c (RFC 7517 §4.7).
func certificateOf(key map[string]any, now time.Time) (*x509.Certificate, error) {
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
	leaf := jwk.Certificates[0]
	peer := &peercert.Peer{Leaf: leaf, Thumbprint: thumbprint.Of(leaf)}
	// A certificate for tomorrow may be registered today.
	if err := peer.Check(now); err != nil && !errors.Is(err, peercert.ErrNotYetValid) {
		return nil, err
	}
	return leaf, nil
}
