package keystest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/keys/ca"
)

// Pair is a leaf certificate with its key and the intermediates to send along.
type Pair struct {
	Cert  *x509.Certificate
	Key   crypto.Signer
	Chain []*x509.Certificate // issuer first, without the root
}

// Client mints a client certificate signed by c: CN=client, a P-256 key, EKU
// clientAuth, valid from an hour ago for a day, unless the options differ.
func (c *CA) Client(t testing.TB, opts ...Option) Pair {
	t.Helper()
	return mint(t, clientSpec(), c, opts)
}

// Server mints a server certificate signed by c for localhost, 127.0.0.1 and ::1.
func (c *CA) Server(t testing.TB, opts ...Option) Pair {
	t.Helper()
	good := []Option{
		CommonName("localhost"), EKU(x509.ExtKeyUsageServerAuth), DNS("localhost"), IP("127.0.0.1", "::1"),
	}
	return mint(t, clientSpec(), c, append(good, opts...))
}

// SelfSigned mints a client certificate signed by its own key.
func SelfSigned(t testing.TB, opts ...Option) Pair {
	t.Helper()
	return mint(t, clientSpec(), nil, opts)
}

// TLS returns the pair as a TLS client or server sends it: leaf, then chain.
func (p Pair) TLS() tls.Certificate {
	cert := tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key, Leaf: p.Cert}
	for _, c := range p.Chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert
}

// CertPEM returns leaf and chain as PEM.
func (p Pair) CertPEM() []byte {
	return ca.EncodeCertificates(append([]*x509.Certificate{p.Cert}, p.Chain...)...)
}

// KeyPEM returns the private key as PKCS #8 PEM. It panics for a key that cannot
// be encoded, which none minted here is.
func (p Pair) KeyPEM() []byte {
	out, err := ca.EncodeKey(p.Key)
	if err != nil {
		panic(err)
	}
	return out
}

// WriteFiles writes dir/name.pem and dir/name.key and returns their paths.
func (p Pair) WriteFiles(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	if err := os.WriteFile(cert, p.CertPEM(), 0o600); err != nil {
		t.Fatalf("keystest: %v", err)
	}
	if err := os.WriteFile(key, p.KeyPEM(), 0o600); err != nil {
		t.Fatalf("keystest: %v", err)
	}
	return cert, key
}
