package servertls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/peercert"
)

// load reads a certificate chain and its key and checks that they can serve.
func load(certFile, keyFile string, now time.Time) (*tls.Certificate, error) {
	certPEM, err := read("certificate", certFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := read("key", keyFile)
	if err != nil {
		return nil, err
	}
	leaf, err := parseChain(certPEM)
	if err != nil {
		return nil, fmt.Errorf("servertls: certificate file %q: %w", certFile, err)
	}
	if err := checkLeaf(leaf, now); err != nil {
		return nil, fmt.Errorf("servertls: certificate file %q: %w", certFile, err)
	}
	if err := checkKeyPEM(keyPEM); err != nil {
		return nil, fmt.Errorf("servertls: key file %q: %w", keyFile, err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("servertls: key file %q with certificate file %q: %w", keyFile, certFile, err)
	}
	pair.Leaf = leaf
	return &pair, nil
}

func read(what, path string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("servertls: no %s file is named", what)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) { // our message names the path already
			err = pathErr.Err
		}
		return nil, fmt.Errorf("servertls: %s file %q: %w", what, path, err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("servertls: %s file %q: it is empty", what, path)
	}
	return data, nil
}

// parseChain reads every certificate of a file, so that a spoilt one is found at
// start and not by the clients it is sent to, and returns the first.
func parseChain(data []byte) (*x509.Certificate, error) {
	begun := bytes.Count(data, []byte("-----BEGIN "))
	var chain []*x509.Certificate
	read := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		read++
		if block.Type != "CERTIFICATE" { // the key may stand in the same file
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain), err)
		}
		chain = append(chain, cert)
	}
	// A block that does not decode is skipped by package pem as if it were not
	// there; here it would be a link missing from the chain.
	if read != begun {
		return nil, fmt.Errorf("%d PEM blocks begin in it, only %d can be read", begun, read)
	}
	if len(chain) == 0 {
		return nil, errors.New("it holds no CERTIFICATE block in PEM")
	}
	return chain[0], nil
}

// checkLeaf refuses a certificate that clients would refuse.
func checkLeaf(leaf *x509.Certificate, now time.Time) error {
	if err := (&peercert.Peer{Leaf: leaf}).Check(now); err != nil {
		return err
	}
	usable := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageAny}
	stated := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	if stated && !slices.ContainsFunc(leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(usable, u) }) {
		return errors.New("it is not a server certificate: its extended key usage does not include serverAuth")
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		return errors.New("it names no server: there is no DNS name or IP address in its subject alternative name (RFC 9525 §2)")
	}
	return nil
}

// checkKeyPEM says what is wrong with a key file in the common cases, without a
// word of its content.
func checkKeyPEM(data []byte) error {
	for {
		block, rest := pem.Decode(data)
		switch {
		case block == nil:
			return errors.New("it holds no PRIVATE KEY block in PEM")
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return errors.New("the key is encrypted with a passphrase, which is not supported")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil
		}
		data = rest
	}
}
