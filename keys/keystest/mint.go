package keystest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"
)

func newSpec() *spec {
	s := &spec{now: time.Now(), from: -time.Hour, to: 24 * time.Hour}
	s.template.BasicConstraintsValid = true
	EC(elliptic.P256())(s)
	return s
}

func clientSpec() *spec {
	s := newSpec()
	s.template.Subject = pkix.Name{CommonName: "client"}
	s.template.KeyUsage = x509.KeyUsageDigitalSignature
	s.template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return s
}

// mint applies the options and signs; a nil issuer means self-signed.
func mint(t testing.TB, s *spec, issuer *CA, opts []Option) Pair {
	t.Helper()
	for _, opt := range opts {
		opt(s)
	}
	pair, err := s.sign(issuer)
	if err != nil {
		t.Fatalf("keystest: minting %q: %v", s.template.Subject.String(), err)
	}
	return pair
}

func (s *spec) sign(issuer *CA) (Pair, error) {
	key, err := s.newKey()
	if err != nil {
		return Pair{}, err
	}
	if err := s.complete(key.Public()); err != nil {
		return Pair{}, err
	}
	pair := Pair{Key: key}
	parent, signer := &s.template, key
	if issuer != nil {
		parent, signer, pair.Chain = issuer.Cert, issuer.Key, issuer.Above
	}
	if _, ec := signer.Public().(*ecdsa.PublicKey); ec && s.template.SignatureAlgorithm == sha1Placeholder {
		s.template.SignatureAlgorithm = x509.ECDSAWithSHA1
	}
	pair.Cert, err = s.create(parent, key.Public(), signer)
	return pair, err
}

func (s *spec) create(parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, &s.template, parent, pub, signer)
	if err != nil {
		return nil, err
	}
	if s.rework != nil {
		if der, err = resign(der, signer, s.rework); err != nil {
			return nil, err
		}
	}
	return x509.ParseCertificate(der)
}

// complete fills in what no option has set.
func (s *spec) complete(pub crypto.PublicKey) error {
	if !s.absolute {
		s.template.NotBefore, s.template.NotAfter = s.now.Add(s.from), s.now.Add(s.to)
		if !s.end.IsZero() {
			s.template.NotAfter = s.end
		}
	}
	if s.template.SubjectKeyId != nil {
		return nil
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return err
	}
	id := sha256.Sum256(spki)
	s.template.SubjectKeyId = id[:20]
	return nil
}
