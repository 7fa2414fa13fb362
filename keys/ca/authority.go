package ca

import (
	"crypto"
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

// Spec is what a new authority is to be.
type Spec struct {
	Subject   pkix.Name
	Lifetime  time.Duration
	Key       crypto.Signer // nil: a fresh key of DefaultKeyKind
	Permitted Permitted     // what an intermediate may sign; empty: anything
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
	return Root(Spec{Subject: subject, Lifetime: lifetime}, now)
}

// Root makes a self-signed root, valid from now. A root is not constrained: it
// signs intermediates, which are.
func Root(spec Spec, now time.Time) (*Authority, error) {
	template, key, err := spec.template(now)
	if err != nil {
		return nil, err
	}
	if !spec.Permitted.empty() {
		return nil, errors.New("ca: a root is not name-constrained; constrain its intermediates")
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
	return a.Intermediate(Spec{Subject: subject, Lifetime: lifetime}, now)
}

// Intermediate makes an issuing authority signed by a, for the names that spec
// permits. Its path length is one less than a's.
func (a *Authority) Intermediate(spec Spec, now time.Time) (*Authority, error) {
	// crypto/x509 reads an absent path length as -1.
	above := a.Cert.MaxPathLen
	if above < 0 {
		above = rootPathLen
	}
	if above == 0 {
		return nil, ErrNoAuthority
	}
	template, key, err := spec.template(now)
	if err != nil {
		return nil, err
	}
	if err := spec.Permitted.constrain(template); err != nil {
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

func (s Spec) template(now time.Time) (*x509.Certificate, crypto.Signer, error) {
	template := &x509.Certificate{
		Subject:               s.Subject,
		NotBefore:             wholeSecond(now),
		NotAfter:              wholeSecond(now.Add(s.Lifetime)),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	// Chaining is by name, so an authority without one could not be found by
	// what it signed (RFC 5280 §4.1.2.6).
	if len(s.Subject.ToRDNSequence()) == 0 {
		return nil, nil, errors.New("ca: an authority needs a subject")
	}
	if err := checkPeriod(template); err != nil {
		return nil, nil, err
	}
	if s.Key != nil {
		return template, s.Key, nil
	}
	key, err := NewKey(DefaultKeyKind)
	return template, key, err
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
