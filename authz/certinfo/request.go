package certinfo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

const requestBlock = "CERTIFICATE REQUEST"

// Read is Parse for whoever may hand in a certificate signing request (RFC 2986)
// instead of a certificate. Of a request the signature is checked, which proves that
// whoever made it had the key.
func Read(data []byte) (*File, error) {
	if len(data) > maxFile || !strings.Contains(string(data), "-----BEGIN ") {
		return Parse(data)
	}
	var request *pem.Block
	key, others := false, 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case strings.HasSuffix(block.Type, requestBlock): // "NEW CERTIFICATE REQUEST", too
			if request != nil {
				return nil, errors.New("certinfo: more than one certificate request in the file")
			}
			request = block
		case strings.Contains(block.Type, "PRIVATE KEY"):
			key = true
		default:
			others++
		}
	}
	if request == nil {
		return Parse(data)
	}
	if others > 0 {
		return nil, errors.New("certinfo: a certificate request and something else in one file")
	}
	leaf, err := requested(request.Bytes)
	if err != nil {
		return nil, err
	}
	return &File{Certificates: []*x509.Certificate{leaf}, Requested: true, PrivateKey: key}, nil
}

// requested is the certificate that an authority would issue which copies all that
// is asked for. It is signed by nobody: period, issuer, serial and signature mean
// nothing. So the rules for certificates see the request as they will see its
// certificate, and nothing here has to read extensions by itself.
func requested(der []byte) (*x509.Certificate, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("certinfo: the certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certinfo: the certificate request is not signed by the key it names: %w", err)
	}
	nobody, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certinfo: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: request.RawSubject, ExtraExtensions: request.Extensions}
	issued, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{}, request.PublicKey, nobody)
	if err != nil {
		return nil, fmt.Errorf("certinfo: no certificate could be issued for the request: %w", err)
	}
	leaf, err := x509.ParseCertificate(issued)
	if err != nil {
		return nil, fmt.Errorf("certinfo: no certificate could be issued for the request: %w", err)
	}
	return leaf, nil
}
