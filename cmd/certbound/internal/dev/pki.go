package dev

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/certbound/certbound/keys/ca"
)

// Lifetimes of what dev makes. A certificate with less than renewBefore left is
// made anew at the next start, so that a started dev works for a day.
const (
	authorityLifetime = 365 * 24 * time.Hour
	leafLifetime      = 30 * 24 * time.Hour
	renewBefore       = 24 * time.Hour
)

// pki makes or reuses the certificates in one directory: NAME.pem and NAME.key.
type pki struct {
	dir string
	now time.Time
}

func (p pki) certFile(name string) string { return filepath.Join(p.dir, name+".pem") }
func (p pki) keyFile(name string) string  { return filepath.Join(p.dir, name+".key") }

// authority returns the CA called name, made anew when there is none or when it
// would not outlive a certificate signed now.
func (p pki) authority(name, commonName string) (*ca.Authority, error) {
	cert, key, err := p.load(name)
	if err != nil {
		return nil, err
	}
	if cert != nil && p.good(cert, leafLifetime+renewBefore) {
		return &ca.Authority{Cert: cert, Key: key}, nil
	}
	made, err := ca.NewRoot(pkix.Name{Organization: []string{"certbound dev"}, CommonName: commonName}, authorityLifetime, p.now)
	if err != nil {
		return nil, err
	}
	return made, p.save(name, made.Cert, made.Key)
}

// server returns whether the certificate of both servers is in place, signed by
// issuer and good for another day; if not, it makes it.
func (p pki) server(name string, issuer *ca.Authority) error {
	_, err := p.leaf(name, issuer, func(key crypto.Signer) (*x509.Certificate, error) {
		loopback := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		return issuer.IssueServer(key.Public(), []string{"localhost"}, loopback, p.now, p.now.Add(leafLifetime))
	})
	return err
}

// client returns a client's certificate, signed by issuer, or by its own key when
// issuer is nil.
func (p pki) client(name string, issuer *ca.Authority, profile ca.ClientProfile) (*x509.Certificate, error) {
	profile.NotBefore, profile.NotAfter = p.now, p.now.Add(leafLifetime)
	return p.leaf(name, issuer, func(key crypto.Signer) (*x509.Certificate, error) {
		if issuer == nil {
			return ca.SelfSignedClient(key, profile)
		}
		return issuer.IssueClient(key.Public(), profile)
	})
}

func (p pki) leaf(name string, issuer *ca.Authority, issue func(crypto.Signer) (*x509.Certificate, error)) (*x509.Certificate, error) {
	cert, _, err := p.load(name)
	if err != nil {
		return nil, err
	}
	if cert != nil && p.good(cert, renewBefore) && (issuer == nil || cert.CheckSignatureFrom(issuer.Cert) == nil) {
		return cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("dev: key of %s: %w", name, err)
	}
	if cert, err = issue(key); err != nil {
		return nil, err
	}
	return cert, p.save(name, cert, key)
}

// good reports whether cert is valid now and for another while.
func (p pki) good(cert *x509.Certificate, while time.Duration) bool {
	return !p.now.Before(cert.NotBefore) && p.now.Add(while).Before(cert.NotAfter)
}

// load reads NAME.pem and NAME.key. A pair that is not complete, as an interrupted
// start leaves it, is none; one that is broken was broken by somebody else and
// is theirs to look at.
func (p pki) load(name string) (*x509.Certificate, crypto.Signer, error) {
	for _, file := range []string{p.certFile(name), p.keyFile(name)} {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, nil
		}
	}
	pair, err := tls.LoadX509KeyPair(p.certFile(name), p.keyFile(name))
	if err != nil {
		return nil, nil, fmt.Errorf("dev: %s and .key: %w; remove both to have them made anew", p.certFile(name), err)
	}
	return pair.Leaf, pair.PrivateKey.(crypto.Signer), nil
}

// save writes the key first: a certificate in place then always has its key.
func (p pki) save(name string, cert *x509.Certificate, key crypto.Signer) error {
	encoded, err := ca.EncodeKey(key)
	if err != nil {
		return err
	}
	// An old certificate beside the new key would look broken if we stopped here.
	if err := os.Remove(p.certFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("dev: %w", err)
	}
	if err := writeFile(p.keyFile(name), encoded, 0o600); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	if err := writeFile(p.certFile(name), ca.EncodeCertificates(cert), 0o644); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	return nil
}
