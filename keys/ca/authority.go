package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"
)

// Authority is a certificate authority: its certificate and the key that signs.
type Authority struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// rootPathLen lets a root sign one layer of issuing authorities and no more: a
// deeper hierarchy is not something a small private CA needs, and every layer
// is one more key that can mint partners.
const rootPathLen = 1

// ErrNoAuthority is returned when an authority whose path length is used up is
// asked for another one.
var ErrNoAuthority = errors.New("ca: the path length of this authority allows no further authority below it (RFC 5280 §4.2.1.9)")

// NewRoot makes a self-signed root on a fresh P-256 key, valid from now.
func NewRoot(subject pkix.Name, lifetime time.Duration, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ca: generating the root's key: %w", err)
	}
	template, err := authorityTemplate(subject, lifetime, now)
	if err != nil {
		return nil, err
	}
	template.MaxPathLen = rootPathLen
	cert, err := create(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &Authority{Cert: cert, Key: key}, nil
}

// NewIntermediate makes an issuing authority signed by a, on a fresh P-256 key.
// Its path length is one less than a's.
func (a *Authority) NewIntermediate(subject pkix.Name, lifetime time.Duration, now time.Time) (*Authority, error) {
	// crypto/x509 reads an absent path length as -1.
	above := a.Cert.MaxPathLen
	if above < 0 {
		above = rootPathLen
	}
	if above == 0 {
		return nil, ErrNoAuthority
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ca: generating the intermediate's key: %w", err)
	}
	template, err := authorityTemplate(subject, lifetime, now)
	if err != nil {
		return nil, err
	}
	template.MaxPathLen = above - 1
	template.MaxPathLenZero = template.MaxPathLen == 0
	if err := a.covers(template); err != nil {
		return nil, err
	}
	cert, err := create(template, a.Cert, key.Public(), a.Key)
	if err != nil {
		return nil, err
	}
	return &Authority{Cert: cert, Key: key}, nil
}

func authorityTemplate(subject pkix.Name, lifetime time.Duration, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:               subject,
		NotBefore:             wholeSecond(now),
		NotAfter:              wholeSecond(now.Add(lifetime)),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	// Chaining is by name, so an authority without one could not be found by
	// what it signed (RFC 5280 §4.1.2.6).
	if len(subject.ToRDNSequence()) == 0 {
		return nil, errors.New("ca: an authority needs a subject")
	}
	return template, checkPeriod(template)
}

func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func checkPeriod(template *x509.Certificate) error {
	if !template.NotAfter.After(template.NotBefore) {
		return fmt.Errorf("ca: the certificate would end (%s) before it begins (%s)",
			template.NotAfter.Format(time.RFC3339), template.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// covers refuses a certificate that would outlive its issuer: from then on it
// would be refused by everyone, with a reason that points at the wrong one.
func (a *Authority) covers(template *x509.Certificate) error {
	if template.NotAfter.After(a.Cert.NotAfter) {
		return fmt.Errorf("ca: the certificate would outlive its issuer %q, which ends %s",
			a.Cert.Subject.String(), a.Cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
