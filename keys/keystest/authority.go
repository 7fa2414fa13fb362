package keystest

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/ca"
)

// CA is a certificate authority of a test. It has no path length limit unless
// [PathLen] says so, and is valid from 2000 to 2099 so that tests with a fixed
// clock can use it.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	// Above holds the authorities a client has to send along: this one and those
	// above it, without the root.
	Above []*x509.Certificate
}

// NewCA makes a root named CN=name on a fresh key. Two calls with one name make
// two authorities of the same name and different keys.
func NewCA(t testing.TB, name string, opts ...Option) *CA {
	t.Helper()
	pair := mint(t, authoritySpec(name), nil, opts)
	return &CA{Cert: pair.Cert, Key: pair.Key}
}

// Intermediate makes an authority signed by c.
func (c *CA) Intermediate(t testing.TB, name string, opts ...Option) *CA {
	t.Helper()
	pair := mint(t, authoritySpec(name), c, opts)
	return &CA{Cert: pair.Cert, Key: pair.Key, Above: append([]*x509.Certificate{pair.Cert}, c.Above...)}
}

// Deep makes depth intermediates, each signed by the one before, and returns the
// last: a client of it has a chain of depth certificates.
func (c *CA) Deep(t testing.TB, depth int) *CA {
	t.Helper()
	for i := range depth {
		c = c.Intermediate(t, fmt.Sprintf("intermediate %d", i+1))
	}
	return c
}

// Issuer makes a CA of any certificate and key, to sign what they must not sign.
func Issuer(p Pair) *CA {
	return &CA{Cert: p.Cert, Key: p.Key, Above: append([]*x509.Certificate{p.Cert}, p.Chain...)}
}

// CertPEM returns the authority's certificate as PEM.
func (c *CA) CertPEM() []byte { return ca.EncodeCertificates(c.Cert) }

// Pool returns a pool that holds only this authority.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Cert)
	return pool
}

// WriteFile writes the certificate to dir/name.pem and returns the path.
func (c *CA) WriteFile(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name+".pem")
	if err := os.WriteFile(path, c.CertPEM(), 0o600); err != nil {
		t.Fatalf("keystest: %v", err)
	}
	return path
}

func authoritySpec(name string) *spec {
	s := newSpec()
	s.template.Subject = pkix.Name{CommonName: name}
	s.template.NotBefore = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	s.template.NotAfter = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
	s.absolute = true
	s.template.IsCA = true
	s.template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return s
}
