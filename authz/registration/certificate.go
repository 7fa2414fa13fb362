package registration

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/storage"
)

// JWKS is a JWK set (RFC 7517 §5) as it stands in a registration body.
type JWKS struct {
	Keys []map[string]any `yaml:"keys" json:"keys"`
}

// CertificateRecord is a certificate to be stored, and to be judged.
type CertificateRecord struct {
	Record storage.Certificate
	Leaf   *x509.Certificate
}

// certificates reads the certificates of a self-signed client, RFC 8705 §2.2.2.
func (c Client) certificates(now time.Time) (registered []CertificateRecord, all Faults) {
	switch {
	case len(c.subjectValues()) > 0:
		all.Add("tls_client_auth_"+string(c.subjectValues()[0].Kind), errors.New("self_signed_tls_client_auth takes no tls_client_auth_* subject value"))
	case c.TrustBundle != "":
		all.Add("trust_bundle", errors.New("self_signed_tls_client_auth takes no trust_bundle: its certificates are compared, not chained"))
	case c.JWKS != nil && c.JWKSURI != "":
		all.Add("jwks_uri", errors.New("jwks and jwks_uri exclude each other (RFC 7591 §2)"))
	case c.JWKSURI != "":
		all.Add("jwks_uri", jwksURI(c.JWKSURI))
		return nil, all // what is published there is read when the client is there
	case c.JWKS == nil || len(c.JWKS.Keys) == 0:
		all.Add("jwks", errors.New("self_signed_tls_client_auth needs jwks with the certificate in x5c, or jwks_uri (RFC 8705 §2.2.2)"))
	case len(c.JWKS.Keys) > keyset.MaxCertificates:
		all.Add("jwks", fmt.Errorf("jwks has more than %d keys", keyset.MaxCertificates))
	}
	if len(all) > 0 {
		return nil, all
	}
	for i, key := range c.JWKS.Keys {
		leaf, err := certificateOf(key)
		if err != nil {
			all.Add(JWKSKey(i), inKey(i, err))
			continue
		}
		registered = append(registered, CertificateRecord{Leaf: leaf, Record: keyset.Record(c.ClientID, leaf, now)})
	}
	return registered, all
}

// JWKSKey is the path of a client's i-th key.
func JWKSKey(i int) string { return fmt.Sprintf("jwks.keys[%d]", i) }

func inKey(i int, err error) error { return fmt.Errorf("%s: %w", JWKSKey(i), err) }

// jwksURI judges the address of a key set. Where it leads is judged whenever it
// is called.
func jwksURI(address string) error {
	if err := fetch.CheckURL(address); err != nil {
		return fmt.Errorf("jwks_uri: %w", err)
	}
	return nil
}

// certificateOf reads one JWK of a registration.
func certificateOf(key map[string]any) (*x509.Certificate, error) {
	text, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	return keyset.Certificate(text)
}

// EnsureCertificates registers the certificates that are new. What the body
// does not name, EnsureClient has removed.
func EnsureCertificates(ctx context.Context, tx storage.Tx, want ClientRecord) error {
	registered, err := tx.ClientCertificates(ctx, want.Client.ID)
	if err != nil {
		return err
	}
	for _, certificate := range want.Certificates {
		if contains(registered, certificate.Record) {
			continue
		}
		if err := keyset.Add(ctx, tx, certificate.Record, want.Client.UpdatedAt); err != nil {
			return err
		}
	}
	return nil
}

// contains goes by the thumbprint, and only by what is registered: what the client
// published, or was seen with, or had signed here while it was registered for
// tls_client_auth, becomes registered by being named.
func contains(all []storage.Certificate, one storage.Certificate) bool {
	return slices.ContainsFunc(all, func(c storage.Certificate) bool { return isRegistered(c) && c.Thumbprint == one.Thumbprint })
}

func isRegistered(c storage.Certificate) bool { return c.Source == storage.CertificateRegistered }

// removeCertificates takes away what the body does not name, and reports whether
// there was any. Certificates of a client that never was self-signed are not
// its credentials and are left alone, and so are those that were read from the
// address that the body names again. One that was signed here stays on record as that
// and as nothing else: whose it is must be known for as long as its names could fit
// another client, see storage.CertificateEnrolled.
func removeCertificates(ctx context.Context, tx storage.Tx, have storage.Client, want ClientRecord) (bool, error) {
	if have.Method != storage.SelfSignedTLSClientAuth && want.Client.Method != storage.SelfSignedTLSClientAuth {
		return false, nil
	}
	if have.JWKSURI != "" && have.JWKSURI == want.Client.JWKSURI {
		return false, nil
	}
	registered, err := tx.ClientCertificates(ctx, have.ID)
	if err != nil {
		return false, err
	}
	removed := false
	for _, certificate := range registered {
		named := slices.ContainsFunc(want.Certificates, func(c CertificateRecord) bool {
			return c.Record.Thumbprint == certificate.Thumbprint
		})
		enrolled := certificate.Source == storage.CertificateEnrolled
		switch {
		case named && enrolled:
			return false, &conflict{"one of its certificates was signed here for tls_client_auth; register another one", storage.ErrConflict}
		case named, enrolled:
			continue
		}
		if err := tx.RemoveCertificate(ctx, have.ID, certificate.Thumbprint); err != nil {
			return false, err
		}
		removed = true
	}
	return removed, nil
}
