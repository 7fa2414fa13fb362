package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/certbound/certbound/keys/peercert"
)

// ClientProfile is what a client certificate says about its holder. Everything
// else (usages, constraints, serial, key identifiers) is fixed.
type ClientProfile struct {
	Subject             pkix.Name
	DNSNames            []string
	URIs                []*url.URL
	IPs                 []net.IP
	Emails              []string
	NotBefore, NotAfter time.Time // used as whole seconds, UTC
}

// IssueClient signs a client certificate for pub: extended key usage clientAuth
// only, key usage digitalSignature (for RSA also keyEncipherment), not a CA. A name
// outside the issuer's name constraints is ErrNotPermitted.
func (a *Authority) IssueClient(pub crypto.PublicKey, p ClientProfile) (*x509.Certificate, error) {
	template, err := p.template()
	if err != nil {
		return nil, err
	}
	return a.issue(template, pub)
}

// SelfSignedClient makes a certificate for self_signed_tls_client_auth (RFC 8705
// §2.2): the client profile, signed by the key it is about.
func SelfSignedClient(key crypto.Signer, p ClientProfile) (*x509.Certificate, error) {
	template, err := p.template()
	if err != nil {
		return nil, err
	}
	return create(template, template, key.Public(), key)
}

// IssueServer signs a server certificate for pub: extended key usage serverAuth
// only. Names go into the subject alternative name, the only place where clients
// look (RFC 9525 §2).
func (a *Authority) IssueServer(pub crypto.PublicKey, dnsNames []string, ips []net.IP, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	if len(dnsNames)+len(ips) == 0 {
		return nil, errors.New("ca: a server certificate needs a DNS name or an IP address")
	}
	template := leafTemplate(notBefore, notAfter, x509.ExtKeyUsageServerAuth)
	template.DNSNames, template.IPAddresses = dnsNames, ips
	if len(dnsNames) > 0 {
		template.Subject.CommonName = dnsNames[0]
	} else {
		template.Subject.CommonName = ips[0].String()
	}
	if err := checkPeriod(template); err != nil {
		return nil, err
	}
	return a.issue(template, pub)
}

func (p ClientProfile) template() (*x509.Certificate, error) {
	template := leafTemplate(p.NotBefore, p.NotAfter, x509.ExtKeyUsageClientAuth)
	template.Subject = p.Subject
	template.DNSNames, template.URIs = p.DNSNames, p.URIs
	template.IPAddresses, template.EmailAddresses = p.IPs, p.Emails
	if len(p.Subject.ToRDNSequence())+len(p.DNSNames)+len(p.URIs)+len(p.IPs)+len(p.Emails) == 0 {
		return nil, errors.New("ca: a client certificate needs a subject or an alternative name")
	}
	return template, checkPeriod(template)
}

func leafTemplate(notBefore, notAfter time.Time, usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{
		NotBefore:             wholeSecond(notBefore),
		NotAfter:              wholeSecond(notAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
}

func (a *Authority) issue(template *x509.Certificate, pub crypto.PublicKey) (*x509.Certificate, error) {
	if err := a.covers(template); err != nil {
		return nil, err
	}
	cert, err := create(template, a.Cert, pub, a.Key)
	if err != nil {
		return nil, err
	}
	if err := a.permits(cert); err != nil {
		return nil, err
	}
	return cert, nil
}

// create fills in what every certificate has, signs, and reads back what was
// signed.
func create(template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	// A key that every request would be refused for is refused here, before it
	// reaches a partner.
	if err := peercert.CheckKey(pub); err != nil {
		return nil, fmt.Errorf("ca: public key: %w", err)
	}
	if _, ok := pub.(*rsa.PublicKey); ok && !template.IsCA {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment // RSA key exchange of TLS 1.2
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("ca: public key: %w", err)
	}
	// RFC 7093 §2 method 4: a hash of the whole SubjectPublicKeyInfo, here cut to
	// the usual 160 bits.
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20]
	template.SerialNumber = newSerial()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		return nil, fmt.Errorf("ca: signing: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("ca: reading back what was signed: %w", err)
	}
	return cert, nil
}

// newSerial returns 128 random bits. The top bit is set so that the text always
// has the same length and the number is never zero (RFC 5280 §4.1.2.2).
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand crashes the program instead
	b[0] |= 0x80
	return new(big.Int).SetBytes(b[:])
}
