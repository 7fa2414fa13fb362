package certinfo

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a file: whoever sends a larger one sends something else.
const (
	maxFile         = 1 << 20
	maxCertificates = 100
)

// File is what a file of certificates holds.
type File struct {
	Certificates []*x509.Certificate // in the order of the file, at least one
	PrivateKey   bool                // a private key stands in it, too
	Other        []string            // types of further PEM blocks
	DER          bool                // it is one certificate in DER
	Requested    bool                // it is a request, and the certificate stands for the one that is asked for
}

// Leaf is the first certificate.
func (f *File) Leaf() *x509.Certificate { return f.Certificates[0] }

// Parse reads certificates in PEM, or one in DER. What a PEM file holds besides is
// noted, never repeated: it may be a key.
func Parse(data []byte) (*File, error) {
	switch {
	case len(data) > maxFile:
		return nil, fmt.Errorf("certinfo: %d bytes are over the limit of %d", len(data), maxFile)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("certinfo: the file is empty")
	case !bytes.Contains(data, []byte("-----BEGIN ")):
		return parseDER(data)
	}
	f := &File{}
	begun, read := bytes.Count(data, []byte("-----BEGIN ")), 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		read++
		if err := f.add(block); err != nil {
			return nil, err
		}
	}
	// pem.Decode passes over a block it cannot read, as if it were not there.
	if read != begun {
		return nil, fmt.Errorf("certinfo: %d PEM blocks begin in the file, only %d can be read", begun, read)
	}
	if len(f.Certificates) == 0 {
		return nil, fmt.Errorf("certinfo: no CERTIFICATE block in the file%s", f.instead())
	}
	return f, nil
}

func (f *File) add(block *pem.Block) error {
	switch {
	case strings.Contains(block.Type, "PRIVATE KEY"):
		f.PrivateKey = true
	case block.Type != "CERTIFICATE":
		f.Other = append(f.Other, block.Type)
	case len(f.Certificates) == maxCertificates:
		return fmt.Errorf("certinfo: more than %d certificates in the file", maxCertificates)
	default:
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certinfo: certificate %d: %w", len(f.Certificates)+1, err)
		}
		f.Certificates = append(f.Certificates, cert)
	}
	return nil
}

// instead says what the file holds when it is no certificate.
func (f *File) instead() string {
	if f.PrivateKey {
		return "; it holds a private key"
	}
	if len(f.Other) > 0 {
		return fmt.Sprintf("; it holds %q", f.Other[0])
	}
	return ""
}

func parseDER(data []byte) (*File, error) {
	cert, err := x509.ParseCertificate(data)
	if err == nil {
		return &File{Certificates: []*x509.Certificate{cert}, DER: true}, nil
	}
	var outer asn1.RawValue
	if rest, asn1Err := asn1.Unmarshal(data, &outer); asn1Err != nil || len(rest) > 0 {
		return nil, errors.New("certinfo: the file is neither PEM nor DER; a certificate in PEM begins with -----BEGIN CERTIFICATE-----")
	}
	if hint := container(outer.Bytes); hint != "" {
		return nil, errors.New("certinfo: " + hint)
	}
	return nil, fmt.Errorf("certinfo: DER, but not a certificate: %w", err)
}

// container tells the usual files around certificates by the first element of
// their outer SEQUENCE: PKCS #12 begins with version 3, PKCS #7 with its own OID.
func container(inner []byte) string {
	var version int
	if _, err := asn1.Unmarshal(inner, &version); err == nil && version == 3 {
		return "this looks like PKCS #12, which may hold a private key; take the certificates out with: openssl pkcs12 -nokeys -in FILE"
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(inner, &oid); err == nil && oid.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}) {
		return "this looks like PKCS #7; take the certificates out with: openssl pkcs7 -inform DER -print_certs -in FILE"
	}
	return ""
}
