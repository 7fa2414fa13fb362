package harness

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// Client returns a client of dev.json.
func (d *Dev) Client(t testing.TB, id string) ClientInfo {
	t.Helper()
	all := append(slices.Clone(d.Clients), d.AdminClient, d.RSClient)
	i := slices.IndexFunc(all, func(c ClientInfo) bool { return c.ClientID == id })
	if i < 0 {
		t.Fatalf("dev.json has no client %q", id)
	}
	return all[i]
}

// Pair returns the certificate and key dev made for a client.
func (d *Dev) Pair(t testing.TB, id string) keystest.Pair {
	t.Helper()
	c := d.Client(t, id)
	loaded, err := tls.LoadX509KeyPair(d.Path(c.Cert), d.Path(c.Key))
	if err != nil {
		t.Fatalf("client %s: %v", id, err)
	}
	pair := keystest.Pair{Key: loaded.PrivateKey.(crypto.Signer)}
	for i, der := range loaded.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatalf("client %s: %v", id, err)
		}
		if i == 0 {
			pair.Cert = cert
			continue
		}
		pair.Chain = append(pair.Chain, cert)
	}
	return pair
}

// Bundle returns the CA of a trust bundle, key included: with it a test mints
// whatever it wants.
func (d *Dev) Bundle(t testing.TB, name string) *keystest.CA {
	t.Helper()
	i := slices.IndexFunc(d.TrustBundles, func(b BundleInfo) bool { return b.Name == name })
	if i < 0 {
		t.Fatalf("dev.json has no trust bundle %q", name)
	}
	b := d.TrustBundles[i]
	loaded, err := tls.LoadX509KeyPair(d.Path(b.CA), d.Path(b.CAKey))
	if err != nil {
		t.Fatalf("bundle %s: %v", name, err)
	}
	cert, err := x509.ParseCertificate(loaded.Certificate[0])
	if err != nil {
		t.Fatalf("bundle %s: %v", name, err)
	}
	return &keystest.CA{Cert: cert, Key: loaded.PrivateKey.(crypto.Signer)}
}

// PublicKeyPEM is the public signing key as an attacker would have it.
func (d *Dev) PublicKeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(d.SigningKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// ReadFile reads a file of the dev directory.
func (d *Dev) ReadFile(t testing.TB, relative string) []byte {
	t.Helper()
	content, err := os.ReadFile(d.Path(relative))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
