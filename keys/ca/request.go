package ca

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/certbound/certbound/keys/peercert"
)

// MaxRequestBytes bounds a certificate signing request, in PEM.
const MaxRequestBytes = 64 << 10

var (
	// ErrPrivateKey: a private key was sent along, and must be considered lost.
	ErrPrivateKey = errors.New("ca: this holds a private key, which must never leave the machine it was made on; make a new one and send the certificate request (CSR) alone")
	// ErrRequest: it is not one certificate request that its sender could have made.
	ErrRequest = errors.New("ca: not an acceptable certificate request")
	// ErrAsksTooMuch: the request wants what a client certificate never has.
	ErrAsksTooMuch = errors.New("ca: the certificate request asks for more than a client certificate")
)

// NewRequest makes a certificate request (RFC 2986) for key in PEM, with the names
// of p, whose times are not used.
func NewRequest(key crypto.Signer, p ClientProfile) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: p.Subject, DNSNames: p.DNSNames, URIs: p.URIs, IPAddresses: p.IPs, EmailAddresses: p.Emails,
	}, key)
	if err != nil {
		return nil, fmt.Errorf("ca: making the certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// ParseRequest reads one certificate request in PEM. Its sender proved possession
// of the key (RFC 2986 §3), the key is not weak, and what it asks for fits a client
// certificate. What it calls itself is for the caller to judge.
func ParseRequest(text []byte) (*x509.CertificateRequest, error) {
	if bytes.Contains(text, []byte("PRIVATE KEY")) {
		return nil, ErrPrivateKey
	}
	if len(text) > MaxRequestBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrRequest, MaxRequestBytes)
	}
	block, rest := pem.Decode(text)
	if block == nil || !strings.HasSuffix(block.Type, "CERTIFICATE REQUEST") || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: want exactly one PEM block CERTIFICATE REQUEST", ErrRequest)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := peercert.CheckKey(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its signature is not by the key it names, so possession of that key is not proved", ErrRequest)
	}
	return csr, checkExtensions(csr.Extensions)
}

var (
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidClientAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// checkExtensions refuses a request for anything but what the profile gives anyway:
// signing something else than was asked for surprises later than a refusal. Those
// that are asked for are never copied.
func checkExtensions(asked []pkix.Extension) error {
	for _, e := range asked {
		var err error
		switch {
		case e.Id.Equal(oidSubjectAltName):
			err = checkGeneralNames(e.Value)
		case e.Id.Equal(oidSubjectKeyID):
		case e.Id.Equal(oidBasicConstraints):
			if !bytes.Equal(e.Value, []byte{0x30, 0x00}) { // the empty sequence: not a CA
				err = fmt.Errorf("%w: to be a CA (basicConstraints)", ErrAsksTooMuch)
			}
		case e.Id.Equal(oidExtKeyUsage):
			err = checkAskedUsages(e.Value)
		case e.Id.Equal(oidKeyUsage):
			err = checkAskedKeyUsage(e.Value)
		default:
			err = fmt.Errorf("%w: extension %s", ErrAsksTooMuch, e.Id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func checkAskedUsages(value []byte) error {
	var usages []asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(value, &usages); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: extKeyUsage cannot be read", ErrRequest)
	}
	for _, usage := range usages {
		if !usage.Equal(oidClientAuth) {
			return fmt.Errorf("%w: extended key usage %s; clientAuth is the only one", ErrAsksTooMuch, usage)
		}
	}
	return nil
}

// checkAskedKeyUsage refuses keyCertSign and cRLSign, bits 5 and 6.
func checkAskedKeyUsage(value []byte) error {
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(value, &bits); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: keyUsage cannot be read", ErrRequest)
	}
	if bits.At(5)+bits.At(6) > 0 {
		return fmt.Errorf("%w: key usage keyCertSign or cRLSign", ErrAsksTooMuch)
	}
	return nil
}

// Kinds of GeneralName that crypto/x509 reads, RFC 5280 §4.2.1.6: rfc822Name,
// dNSName, uniformResourceIdentifier, iPAddress.
var readNames = map[int]bool{1: true, 2: true, 6: true, 7: true}

// checkGeneralNames refuses a kind of name that would be passed over in silence.
func checkGeneralNames(value []byte) error {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(value, &names); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: subjectAltName cannot be read", ErrRequest)
	}
	for _, name := range names {
		if name.Class != asn1.ClassContextSpecific || !readNames[name.Tag] {
			return fmt.Errorf("%w: a subjectAltName that is no DNS name, URI, IP address or e-mail address", ErrAsksTooMuch)
		}
	}
	return nil
}
