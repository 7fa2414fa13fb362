package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// maxPEM bounds one field of a bundle. The whole Mozilla root store is a quarter
// of it.
const maxPEM = 1 << 20

const (
	beginLine = "-----BEGIN "
	endLine   = "-----END "
)

// decodePEM reads a field of CERTIFICATE blocks. Between them may stand blank
// lines and lines that begin with '#'. Anything else is an error, because
// pem.Decode skips what it cannot read: a damaged BEGIN line would silently
// leave an authority out. No error repeats the content, which may be a key.
func decodePEM(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%d bytes are over the limit of %d", len(data), maxPEM)
	}
	var certs []*x509.Certificate
	var block strings.Builder
	begun, number := 0, 0 // line of the BEGIN that is open, 0 for none; current line
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		opens, err := classify(line, begun != 0)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if opens {
			begun = number
		}
		if begun == 0 {
			continue
		}
		block.WriteString(line + "\n")
		if !strings.HasPrefix(line, endLine) {
			continue
		}
		cert, err := decodeBlock(block.String())
		if err != nil {
			return nil, fmt.Errorf("line %d: certificate %d: %w", begun, len(certs)+1, err)
		}
		certs, begun = append(certs, cert), 0
		block.Reset()
	}
	if begun != 0 {
		return nil, fmt.Errorf("line %d: the PEM block that begins here has no END line", begun)
	}
	return certs, nil
}

// classify judges a line and reports whether it opens a block. Lines inside a
// block are pem.Decode's business, but for those that show the block is torn.
func classify(line string, inside bool) (opens bool, err error) {
	begins := strings.HasPrefix(line, beginLine)
	switch {
	case strings.Contains(line, "PRIVATE KEY"):
		return false, errors.New("a private key does not belong in a trust bundle; if it is in use, replace it")
	case begins && inside:
		return false, errors.New("a PEM block begins before the one above it has ended")
	case begins && line != "-----BEGIN CERTIFICATE-----":
		return false, errors.New("a PEM block that is not a CERTIFICATE")
	case begins || inside || line == "" || line[0] == '#':
		return begins, nil
	}
	return false, errors.New("text outside of a PEM block (comments begin with #)")
}

func decodeBlock(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) > 0 || len(block.Headers) > 0 {
		return nil, errors.New("malformed PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("not a certificate: %w", err)
	}
	return cert, nil
}
