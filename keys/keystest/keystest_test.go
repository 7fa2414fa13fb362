package keystest_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

func verify(root *keystest.CA, p keystest.Pair) error {
	opts := x509.VerifyOptions{
		Roots: root.Pool(), Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range p.Chain {
		opts.Intermediates.AddCert(c)
	}
	_, err := p.Cert.Verify(opts)
	return err
}

func TestGoodOnesVerify(t *testing.T) {
	root, rsaRoot := keystest.NewCA(t, "root"), keystest.NewCA(t, "rsa root", keystest.RSA(2048))
	for _, tt := range []struct {
		name string
		root *keystest.CA
		pair keystest.Pair
	}{
		{"plain", root, root.Client(t)},
		{"by a deep chain", root, root.Deep(t, 4).Client(t)},
		{"on another curve", root, root.Client(t, keystest.EC(elliptic.P521()))},
		{"with Ed25519", root, root.Client(t, keystest.Ed25519())},
		{"without EKU", root, root.Client(t, keystest.NoEKU())},
		{"of an RSA root", rsaRoot, rsaRoot.Client(t)},
		{"with every kind of name", root, root.Client(t, keystest.URI("spiffe://a.test/x"),
			keystest.DNS("a.test"), keystest.Email("a@a.test"), keystest.IP("::1"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := verify(tt.root, tt.pair); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongOnesAreWrong(t *testing.T) {
	root := keystest.NewCA(t, "root")
	impostor := keystest.NewCA(t, "root", keystest.SubjectKeyID(root.Cert.SubjectKeyId))
	for _, tt := range []struct {
		name string
		pair keystest.Pair
	}{
		{"expired", root.Client(t, keystest.Expired())},
		{"not yet valid", root.Client(t, keystest.NotYetValid())},
		{"server EKU", root.Client(t, keystest.EKU(x509.ExtKeyUsageServerAuth))},
		{"unknown critical extension", root.Client(t, keystest.CriticalExtension())},
		{"same-named CA with another key", impostor.Client(t)},
		{"self-signed", keystest.SelfSigned(t)},
		{"signed by a leaf", keystest.Issuer(root.Client(t)).Client(t)},
		{"signed by a CA without the CA flag", root.Intermediate(t, "not a CA", keystest.NotCA()).Client(t)},
		{"path length", root.Intermediate(t, "short", keystest.PathLen(0)).Intermediate(t, "below").Client(t)},
		{"constrained", root.Intermediate(t, "only a", keystest.PermittedDNS("a.test")).Client(t, keystest.DNS("b.test"))},
		{"expired intermediate", root.Intermediate(t, "old", keystest.Expired()).Client(t)},
		{"SHA-1", root.Client(t, keystest.SHA1())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := verify(root, tt.pair); err == nil {
				t.Error("it verifies")
			}
		})
	}
	if !bytes.Equal(impostor.Cert.RawSubject, root.Cert.RawSubject) {
		t.Error("the impostor's name differs")
	}
}

func TestFieldsThatCryptoX509WouldNotWrite(t *testing.T) {
	rsaRoot := keystest.NewCA(t, "rsa root", keystest.RSA(2048))
	ecRoot := keystest.NewCA(t, "ec root")
	for _, tt := range []struct {
		name    string
		pair    keystest.Pair
		alg     x509.SignatureAlgorithm
		version int
	}{
		{"SHA-1 with RSA", rsaRoot.Client(t, keystest.SHA1()), x509.SHA1WithRSA, 3},
		{"SHA-1 with EC", ecRoot.Client(t, keystest.SHA1()), x509.ECDSAWithSHA1, 3},
		{"MD5", rsaRoot.Client(t, keystest.MD5()), x509.MD5WithRSA, 3},
		{"version 1, RSA", rsaRoot.Client(t, keystest.Version1()), x509.SHA256WithRSA, 1},
		{"version 1, self-signed", keystest.SelfSigned(t, keystest.Version1()), x509.ECDSAWithSHA256, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.pair.Cert
			if c.SignatureAlgorithm != tt.alg || c.Version != tt.version {
				t.Errorf("algorithm %v, version %d", c.SignatureAlgorithm, c.Version)
			}
			if c.Version == 1 && len(c.Extensions) != 0 {
				t.Errorf("%d extensions in a v1 certificate", len(c.Extensions))
			}
		})
	}
	v1 := rsaRoot.Client(t, keystest.Version1())
	if err := v1.Cert.CheckSignatureFrom(rsaRoot.Cert); err != nil {
		t.Errorf("the v1 certificate's signature does not hold: %v", err)
	}
}

func TestOptions(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	root := keystest.NewCA(t, "root")
	weak := root.Client(t, keystest.RSA(1024))
	if bits := weak.Key.Public().(*rsa.PublicKey).N.BitLen(); bits != 1024 {
		t.Errorf("RSA key of %d bits", bits)
	}
	if got := len(root.Client(t, keystest.ManyDNS(2000)).Cert.DNSNames); got != 2000 {
		t.Errorf("%d names", got)
	}
	until := root.Client(t, keystest.NotAfter(now.Add(time.Minute)), keystest.Now(now)).Cert
	if !until.NotBefore.Equal(now.Add(-time.Hour)) || !until.NotAfter.Equal(now.Add(time.Minute)) {
		t.Errorf("valid %s to %s", until.NotBefore, until.NotAfter)
	}
	exact := root.Client(t, keystest.Validity(now, now)).Cert
	if !exact.NotBefore.Equal(now) || !exact.NotAfter.Equal(now) {
		t.Errorf("valid %s to %s", exact.NotBefore, exact.NotAfter)
	}
	one := root.Client(t, keystest.SerialNumber(big.NewInt(7)), keystest.CommonName("a"))
	two := root.Client(t, keystest.SerialNumber(big.NewInt(7)), keystest.RawSubject(one.Cert.RawSubject), keystest.WithKey(one.Key))
	if !bytes.Equal(one.Cert.RawSubjectPublicKeyInfo, two.Cert.RawSubjectPublicKeyInfo) || two.Cert.Subject.CommonName != "a" || two.Cert.SerialNumber.Int64() != 7 {
		t.Error("a renewed certificate with the same key, name and serial cannot be made")
	}
	if leaf := root.Client(t, keystest.IsCA(), keystest.KeyUsage(x509.KeyUsageDigitalSignature)).Cert; !leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("CA leaf: %v, %b", leaf.IsCA, leaf.KeyUsage)
	}
}

func TestFilesLoad(t *testing.T) {
	root := keystest.NewCA(t, "root")
	dir := t.TempDir()
	server := root.Intermediate(t, "issuing").Server(t)
	cert, key := server.WriteFiles(t, dir, "server")
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || len(loaded.Certificate) != 2 || len(server.TLS().Certificate) != 2 {
		t.Fatalf("%d certificates, %v", len(loaded.Certificate), err)
	}
	if path := root.WriteFile(t, dir, "ca"); path != dir+"/ca.pem" {
		t.Errorf("CA file at %s", path)
	}
	if err := server.Cert.VerifyHostname("127.0.0.1"); err != nil {
		t.Error(err)
	}
}
