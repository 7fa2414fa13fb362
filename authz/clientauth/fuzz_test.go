package clientauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// reference has crypto/x509 read a subjectAltName out of a whole certificate, as
// it would have come over TLS; nil when no certificate can have it.
func reference(key *ecdsa.PrivateKey, san []byte) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		Subject: pkix.Name{CommonName: "a"}, ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: san}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return cert
}

// FuzzSubjectAltName: of each certificate that a handshake lets through, our
// reading of the extension finds the names that crypto/x509 finds, no more and no
// fewer, each already in its canonical form; and only a value that is registered
// under its own kind matches.
func FuzzSubjectAltName(f *testing.F) {
	for _, names := range [][]asn1.RawValue{
		{},
		{{Class: 2, Tag: tagDNS, Bytes: []byte("A.example")}, {Class: 2, Tag: tagURI, Bytes: []byte("spiffe://a/b")}},
		{{Class: 2, Tag: tagIP, Bytes: []byte{127, 0, 0, 1}}, {Class: 2, Tag: tagEmail, Bytes: []byte("A@B.example")}},
		{{Class: 2, Tag: tagIP, Bytes: make([]byte, 16)}, {Class: 2, Tag: 4, IsCompound: true, Bytes: []byte{0x30, 0}}},
		{{Class: 2, Tag: tagURI, Bytes: []byte("SPIFFE://a/b")}, {Class: 2, Tag: tagURI, Bytes: []byte("https://a/%7e?x#y")}},
		{{Class: 2, Tag: tagDNS, Bytes: []byte("a\x00b.example")}, {Class: 0, Tag: 22, Bytes: []byte("a.example")}},
	} {
		der, err := asn1.Marshal(names)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der, "a.example")
		f.Add(append(der, 0), "spiffe://a/b")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, san []byte, value string) {
		cert := reference(key, san)
		if cert == nil {
			return
		}
		for kind, want := range map[storage.MatcherKind]int{
			storage.SANDNS: len(cert.DNSNames), storage.SANURI: len(cert.URIs), storage.SANEmail: len(cert.EmailAddresses), storage.SANIP: len(cert.IPAddresses),
		} {
			checkKind(t, cert, kind, want, value)
		}
	})
}

func checkKind(t *testing.T, cert *x509.Certificate, kind storage.MatcherKind, want int, value string) {
	values, err := matcherRules[kind].seen(cert)
	if err != nil { // we are stricter about what follows the names; then nothing matches
		if m, bad := NewMatcher(kind, value); bad == nil && matches(m, cert).ok {
			t.Fatalf("%s %q matches an extension that cannot be read: %v", kind, value, err)
		}
		return
	}
	// Mail without a domain and IPv4 in the form of IPv6 are names we do not compare.
	if len(values) > want || len(values) < want && kind != storage.SANEmail && kind != storage.SANIP {
		t.Fatalf("%s: we see %q, crypto/x509 sees %d", kind, values, want)
	}
	m, err := NewMatcher(kind, value)
	if err != nil {
		return
	}
	verdict := matches(m, cert)
	if verdict.ok && !slices.Contains(values, m.Canonical) {
		t.Fatalf("%s %q matches %q", kind, value, values)
	}
	for other := range matcherRules {
		if other == kind || other == storage.SubjectDN {
			continue
		}
		seen, err := matcherRules[other].seen(cert)
		if err == nil && verdict.ok && len(values) == 0 && slices.Contains(seen, m.Canonical) {
			t.Fatalf("%s %q matches an entry of the kind %s", kind, value, other)
		}
	}
}
