package ca_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/keys/ca"
)

func csr(t *testing.T, key crypto.Signer, extensions ...pkix.Extension) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "acme"}, ExtraExtensions: extensions,
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func extension(t *testing.T, id int, value any) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, id}, Value: der}
}

func TestRequestRoundTrip(t *testing.T) {
	for _, kind := range ca.KeyKinds() {
		key, err := ca.NewKey(ca.KeyKind(kind))
		if err != nil {
			t.Fatal(err)
		}
		text, err := ca.NewRequest(key, acme())
		if err != nil {
			t.Fatal(err)
		}
		got, err := ca.ParseRequest(text)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if !cmp.Equal(got.DNSNames, acme().DNSNames) || got.URIs[0].String() != "spiffe://acme.test/billing" {
			t.Errorf("%s: names %v %v", kind, got.DNSNames, got.URIs)
		}
		cert, err := newRoot(t).IssueClient(got.PublicKey, acme())
		if err != nil {
			t.Fatal(err)
		}
		want := x509.KeyUsageDigitalSignature
		if kind[:3] == "rsa" {
			want |= x509.KeyUsageKeyEncipherment
		}
		if cert.KeyUsage != want {
			t.Errorf("%s: key usage %b, want %b", kind, cert.KeyUsage, want)
		}
	}
	if _, err := ca.NewKey("dsa"); err == nil || err.Error() != `ca: keys of kind "dsa" are not made` {
		t.Error(err)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	key := newKey(t)
	good := csr(t, key)
	secret, err := ca.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	tampered := append([]byte{}, block.Bytes...)
	tampered[len(tampered)-1] ^= 1
	type general = []asn1.RawValue
	usages := func(last int) []asn1.ObjectIdentifier {
		return []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, last}}
	}
	for name, tt := range map[string]struct {
		text []byte
		want error
	}{
		"good":            {good, nil},
		"private key too": {append(secret, good...), ca.ErrPrivateKey},
		"key alone":       {secret, ca.ErrPrivateKey},
		"broken key":      {[]byte("-----BEGIN RSA PRIVATE KEY-----"), ca.ErrPrivateKey},
		"empty":           {nil, ca.ErrRequest},
		"two":             {append(good[:len(good):len(good)], good...), ca.ErrRequest},
		"certificate":     {ca.EncodeCertificates(newRoot(t).Cert), ca.ErrRequest},
		"tampered":        {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: tampered}), ca.ErrRequest},
		"too long":        {make([]byte, ca.MaxRequestBytes+1), ca.ErrRequest},
		"client auth":     {csr(t, key, extension(t, 37, usages(2))), nil},
		"server auth":     {csr(t, key, extension(t, 37, usages(1))), ca.ErrAsksTooMuch},
		"not a CA":        {csr(t, key, extension(t, 19, struct{}{})), nil},
		"a CA":            {csr(t, key, extension(t, 19, struct{ CA bool }{true})), ca.ErrAsksTooMuch},
		"signs":           {csr(t, key, extension(t, 15, asn1.BitString{Bytes: []byte{0x80}, BitLength: 1})), nil},
		"signs certs":     {csr(t, key, extension(t, 15, asn1.BitString{Bytes: []byte{0x04}, BitLength: 6})), ca.ErrAsksTooMuch},
		"usage garbage":   {csr(t, key, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{1}}), ca.ErrRequest},
		"policy":          {csr(t, key, extension(t, 32, "x")), ca.ErrAsksTooMuch},
		"directory name":  {csr(t, key, extension(t, 17, general{{Class: 2, Tag: 4, IsCompound: true, Bytes: []byte{0x30, 0}}})), ca.ErrAsksTooMuch},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ca.ParseRequest(tt.text); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// FuzzParseRequest: what is accepted can be signed by the client profile, whatever
// it asked for.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"))
	root, err := ca.NewRoot(pkix.Name{CommonName: "x"}, 2*day, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ca.ParseRequest(text)
		if err != nil {
			return
		}
		p := ca.ClientProfile{URIs: []*url.URL{{Scheme: "urn", Opaque: "x:y"}}, NotBefore: now, NotAfter: now.Add(day)}
		if _, err := root.IssueClient(got.PublicKey, p); err != nil {
			t.Errorf("accepted and not signed: %v", err)
		}
	})
}
