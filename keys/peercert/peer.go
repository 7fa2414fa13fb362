package peercert

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/certbound/certbound/keys/thumbprint"
)

// Limits on what a peer may send along. crypto/tls takes certificate messages of
// up to 256 KiB from anybody, and whoever reads, prints or follows what is in them
// pays for each certificate and for each name.
const (
	MaxCertificates = 10
	MaxBytes        = 64 << 10
	MaxNameBytes    = 4 << 10 // of one subject or issuer, DER
)

// Why a peer's certificate cannot be used. They are returned wrapped, with what
// was seen.
var (
	ErrMissing     = errors.New("peercert: no client certificate")
	ErrMalformed   = errors.New("peercert: certificate or chain cannot be used")
	ErrExpired     = errors.New("peercert: certificate has expired")
	ErrNotYetValid = errors.New("peercert: certificate is not valid yet")
	ErrWeak        = errors.New("peercert: certificate is weak")
)

// Peer is the certificate a peer proved possession of, with what it sent along.
type Peer struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate // as presented, unverified
	Thumbprint    thumbprint.Thumbprint

	binary atomic.Pointer[string] // of the leaf, once somebody has asked
}

// FromTLS returns the peer of a TLS connection. The handshake has proved that it
// holds the leaf's key; nothing has been verified about the chain.
func FromTLS(cs *tls.ConnectionState) (*Peer, error) {
	switch {
	case cs == nil:
		return nil, fmt.Errorf("%w: the connection is not TLS", ErrMissing)
	case !cs.HandshakeComplete:
		// Before its end the peer has shown a certificate, but not the key.
		return nil, fmt.Errorf("%w: the TLS handshake is not complete", ErrMissing)
	case len(cs.PeerCertificates) == 0:
		return nil, fmt.Errorf("%w: none was presented in the TLS handshake", ErrMissing)
	}
	return fromChain(cs.PeerCertificates)
}

// fromChain bounds a presented chain, leaf first.
func fromChain(chain []*x509.Certificate) (*Peer, error) {
	if len(chain) > MaxCertificates {
		return nil, fmt.Errorf("%w: %d certificates were presented, at most %d are read", ErrMalformed, len(chain), MaxCertificates)
	}
	total := 0
	for i, cert := range chain {
		if cert == nil || len(cert.Raw) == 0 {
			return nil, fmt.Errorf("%w: certificate %d is empty", ErrMalformed, i)
		}
		if longest := max(len(cert.RawSubject), len(cert.RawIssuer)); longest > MaxNameBytes {
			return nil, fmt.Errorf("%w: certificate %d has a name of %d bytes, at most %d are read", ErrMalformed, i, longest, MaxNameBytes)
		}
		total += len(cert.Raw)
	}
	if total > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes of certificates were presented, at most %d are read", ErrMalformed, total, MaxBytes)
	}
	return &Peer{Leaf: chain[0], Intermediates: chain[1:], Thumbprint: thumbprint.Of(chain[0])}, nil
}

// Subject returns the leaf's subject as text for logs, in the order of RFC 4514.
// It is never compared: that is package dn's trade.
func (p *Peer) Subject() string { return nameText(p.Leaf.RawSubject, p.Leaf.Subject) }

// Issuer returns the leaf's issuer as text for logs.
func (p *Peer) Issuer() string { return nameText(p.Leaf.RawIssuer, p.Leaf.Issuer) }

// maxPrintedName bounds a name that is printed, DER: pkix takes time that grows
// with the square of the number of attributes.
const maxPrintedName = 1 << 10

// nameText prefers the name as it was encoded: pkix.Name sorts attributes into
// fields and so forgets their order and which of them shared an RDN.
func nameText(raw []byte, parsed pkix.Name) string {
	if len(raw) > maxPrintedName {
		return fmt.Sprintf("(a name of %d bytes)", len(raw))
	}
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) != 0 {
		return parsed.String()
	}
	return sequence.String()
}

// Binary returns the leaf as RFC 9440 §2.2 tells it to a server behind a proxy: its
// DER as an sf-binary (RFC 8941 §3.3.5). It is written once for all requests.
func (p *Peer) Binary() string {
	if known := p.binary.Load(); known != nil {
		return *known
	}
	text := Binary(p.Leaf)
	p.binary.Store(&text)
	return text
}

// Binary is [Peer.Binary] for any certificate.
func Binary(c *x509.Certificate) string {
	b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(c.Raw))+2)
	b = append(b, ':')
	b = base64.StdEncoding.AppendEncode(b, c.Raw)
	return string(append(b, ':'))
}

// Serial returns the leaf's serial number in lower-case hex.
func (p *Peer) Serial() string {
	if p.Leaf.SerialNumber == nil {
		return ""
	}
	return p.Leaf.SerialNumber.Text(16)
}
