package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// ReadRoots reads a PEM file of CA certificates. Between them may stand blank
// lines and comments, which begin with '#'; anything else is an error that names
// the line: a damaged BEGIN line would otherwise leave a root out, and a trust
// store with a hole in it must not be used (design rule 21).
func ReadRoots(file Path) (*x509.CertPool, error) {
	data, err := os.ReadFile(string(file))
	if err != nil {
		return nil, readError(string(file), err)
	}
	pool, err := parseRoots(string(file), data)
	if err != nil {
		return nil, err
	}
	return pool, nil
}

// AddRoots is ReadRoots into a pool that has others already.
func AddRoots(pool *x509.CertPool, file Path) (*x509.CertPool, error) {
	data, err := os.ReadFile(string(file))
	if err != nil {
		return nil, readError(string(file), err)
	}
	return addRoots(pool, string(file), data)
}

func parseRoots(file string, data []byte) (*x509.CertPool, error) {
	return addRoots(x509.NewCertPool(), file, data)
}

func addRoots(pool *x509.CertPool, file string, data []byte) (*x509.CertPool, error) {
	rest, count := data, 0
	for bytes.Contains(rest, []byte("-----BEGIN")) {
		start := len(data) - len(rest) + bytes.Index(rest, []byte("-----BEGIN"))
		if err := onlyComments(file, data, len(data)-len(rest), start); err != nil {
			return nil, err
		}
		at := Position{File: file, Line: 1 + bytes.Count(data[:start], []byte("\n")), Column: 1}
		// pem.Decode skips a broken block and returns the next one, so we look
		// whether what it returned is what stands here.
		block, after := pem.Decode(data[start:])
		if block == nil || bytes.Count(data[start:len(data)-len(after)], []byte("-----BEGIN")) != 1 {
			return nil, &Problem{At: at, Err: errors.New("malformed PEM block")}
		}
		if err := addRoot(pool, block); err != nil {
			return nil, &Problem{At: at, Err: err}
		}
		rest, count = after, count+1
	}
	if count == 0 {
		return nil, &Problem{At: Position{File: file, Line: 1, Column: 1}, Err: errors.New("no CA certificate in PEM form")}
	}
	if err := onlyComments(file, data, len(data)-len(rest), len(data)); err != nil {
		return nil, err
	}
	return pool, nil
}

// onlyComments refuses text between PEM blocks. The content is not repeated: it
// may be a key whose BEGIN line is damaged.
func onlyComments(file string, data []byte, from, to int) error {
	line := 1 + bytes.Count(data[:from], []byte("\n"))
	for text := range bytes.Lines(data[from:to]) {
		if text = bytes.TrimSpace(text); len(text) > 0 && text[0] != '#' {
			return &Problem{At: Position{File: file, Line: line, Column: 1}, Err: errors.New("text outside of a PEM block (comments begin with #)")}
		}
		line++
	}
	return nil
}

func addRoot(pool *x509.CertPool, block *pem.Block) error {
	if block.Type != "CERTIFICATE" {
		return fmt.Errorf("a PEM block %q; only CERTIFICATE belongs here", block.Type)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("malformed certificate: %w", err)
	}
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return fmt.Errorf("the certificate of %q is not a CA certificate", cert.Subject)
	}
	pool.AddCert(cert)
	return nil
}
