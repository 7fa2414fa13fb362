package ca_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/keystest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 987654321, time.UTC)

const day = 24 * time.Hour

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRoot(t *testing.T) *ca.Authority {
	t.Helper()
	root, err := ca.NewRoot(pkix.Name{CommonName: "partners"}, 30*day, now)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func acme() ca.ClientProfile {
	return ca.ClientProfile{
		Subject:   pkix.Name{CommonName: "acme-billing", Organization: []string{"Acme"}},
		DNSNames:  []string{"billing.acme.test"},
		URIs:      []*url.URL{{Scheme: "spiffe", Host: "acme.test", Path: "/billing"}},
		IPs:       []net.IP{net.ParseIP("192.0.2.1")},
		Emails:    []string{"ops@acme.test"},
		NotBefore: now, NotAfter: now.Add(day),
	}
}

func verify(t *testing.T, cert *x509.Certificate, usage x509.ExtKeyUsage, root *ca.Authority, between ...*ca.Authority) error {
	t.Helper()
	opts := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	}
	opts.Roots.AddCert(root.Cert)
	for _, a := range between {
		opts.Intermediates.AddCert(a.Cert)
	}
	_, err := cert.Verify(opts)
	return err
}

func TestHierarchyVerifies(t *testing.T) {
	root := newRoot(t)
	inter, err := root.NewIntermediate(pkix.Name{CommonName: "issuing"}, 20*day, now)
	if err != nil {
		t.Fatal(err)
	}
	client, err := inter.IssueClient(newKey(t).Public(), acme())
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, client, x509.ExtKeyUsageClientAuth, root, inter); err != nil {
		t.Errorf("client certificate: %v", err)
	}
	if err := verify(t, client, x509.ExtKeyUsageServerAuth, root, inter); err == nil {
		t.Error("a client certificate verifies as a server's")
	}
	if !bytes.Equal(client.AuthorityKeyId, inter.Cert.SubjectKeyId) || len(client.SubjectKeyId) != 20 {
		t.Errorf("key identifiers: AKI %x, issuer's SKI %x, SKI %x", client.AuthorityKeyId, inter.Cert.SubjectKeyId, client.SubjectKeyId)
	}
}

func TestAuthoritiesProfile(t *testing.T) {
	root := newRoot(t)
	inter, err := root.NewIntermediate(pkix.Name{CommonName: "issuing"}, day, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		cert    *x509.Certificate
		pathLen int
		zero    bool
	}{{"root", root.Cert, 1, false}, {"intermediate", inter.Cert, 0, true}} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.cert
			if !c.IsCA || !c.BasicConstraintsValid || c.MaxPathLen != tt.pathLen || c.MaxPathLenZero != tt.zero {
				t.Errorf("constraints: CA %v, path length %d (zero %v)", c.IsCA, c.MaxPathLen, c.MaxPathLenZero)
			}
			if c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
				t.Errorf("key usage %b", c.KeyUsage)
			}
			if !c.NotBefore.Equal(now.Truncate(time.Second)) {
				t.Errorf("notBefore %s", c.NotBefore)
			}
		})
	}
	if _, err := inter.NewIntermediate(pkix.Name{CommonName: "too deep"}, day, now); !errors.Is(err, ca.ErrNoAuthority) {
		t.Errorf("an authority below the path length: %v", err)
	}
}

func TestClientProfile(t *testing.T) {
	root, p := newRoot(t), acme()
	cert, err := root.IssueClient(newKey(t).Public(), p)
	if err != nil {
		t.Fatal(err)
	}
	if cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("CA %v, key usage %b", cert.IsCA, cert.KeyUsage)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("extended key usage %v", cert.ExtKeyUsage)
	}
	if got, want := cert.Subject.String(), p.Subject.String(); got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if len(cert.DNSNames) != 1 || len(cert.URIs) != 1 || len(cert.IPAddresses) != 1 || len(cert.EmailAddresses) != 1 {
		t.Errorf("alternative names lost: %v %v %v %v", cert.DNSNames, cert.URIs, cert.IPAddresses, cert.EmailAddresses)
	}
	if cert.SerialNumber.BitLen() != 128 {
		t.Errorf("serial of %d bits", cert.SerialNumber.BitLen())
	}
	if want := now.Add(day).Truncate(time.Second); !cert.NotAfter.Equal(want) {
		t.Errorf("notAfter %s, want %s", cert.NotAfter, want)
	}
}

func TestServerProfile(t *testing.T) {
	root := newRoot(t)
	for _, tt := range []struct {
		name string
		dns  []string
		ips  []net.IP
		cn   string
	}{
		{"names", []string{"localhost"}, []net.IP{net.IPv6loopback}, "localhost"},
		{"addresses only", nil, []net.IP{net.ParseIP("127.0.0.1")}, "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, err := root.IssueServer(newKey(t).Public(), tt.dns, tt.ips, now, now.Add(day))
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(t, cert, x509.ExtKeyUsageServerAuth, root); err != nil {
				t.Error(err)
			}
			if err := verify(t, cert, x509.ExtKeyUsageClientAuth, root); err == nil {
				t.Error("a server certificate verifies as a client's")
			}
			if cert.Subject.CommonName != tt.cn {
				t.Errorf("CN %q, want %q", cert.Subject.CommonName, tt.cn)
			}
		})
	}
}

func TestSelfSignedClient(t *testing.T) {
	key := newKey(t)
	cert, err := ca.SelfSignedClient(key, acme())
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		t.Errorf("not signed by its own key: %v", err)
	}
	if cert.IsCA || !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		t.Errorf("CA %v, issuer %s", cert.IsCA, cert.Issuer)
	}
}

func TestRefusals(t *testing.T) {
	root := newRoot(t)
	pub := newKey(t).Public()
	nameless, backwards, outliving := acme(), acme(), acme()
	nameless = ca.ClientProfile{NotBefore: nameless.NotBefore, NotAfter: nameless.NotAfter}
	backwards.NotAfter = backwards.NotBefore
	outliving.NotAfter = now.Add(31 * day)
	client := func(pub crypto.PublicKey, p ca.ClientProfile) func() error {
		return func() error { _, err := root.IssueClient(pub, p); return err }
	}
	for _, tt := range []struct {
		name string
		do   func() error
		want string
	}{
		{"root without a name", func() error { _, err := ca.NewRoot(pkix.Name{}, day, now); return err },
			"ca: an authority needs a subject"},
		{"root without a life", func() error { _, err := ca.NewRoot(pkix.Name{CommonName: "x"}, 0, now); return err },
			"ca: the certificate would end (2026-11-22T12:00:00Z) before it begins (2026-11-22T12:00:00Z)"},
		{"intermediate outlives root", func() error {
			_, err := root.NewIntermediate(pkix.Name{CommonName: "x"}, 31*day, now)
			return err
		}, `ca: the certificate would outlive its issuer "CN=partners", which ends 2026-12-22T12:00:00Z`},
		{"client outlives root", client(pub, outliving),
			`ca: the certificate would outlive its issuer "CN=partners", which ends 2026-12-22T12:00:00Z`},
		{"client without a name", client(pub, nameless),
			"ca: a client certificate needs a subject or an alternative name"},
		{"client backwards", client(pub, backwards),
			"ca: the certificate would end (2026-11-22T12:00:00Z) before it begins (2026-11-22T12:00:00Z)"},
		{"no key", client(nil, acme()),
			"ca: public key: peercert: certificate is weak: its key is of a kind that is not accepted (<nil>)"},
		{"weak key", client(keystest.SelfSigned(t, keystest.RSA(1024)).Cert.PublicKey, acme()),
			"ca: public key: peercert: certificate is weak: its RSA key has 1024 bits, at least 2048 are needed"},
		{"server without a name", func() error {
			_, err := root.IssueServer(pub, nil, nil, now, now.Add(day))
			return err
		}, "ca: a server certificate needs a DNS name or an IP address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	root, key := newRoot(t), newKey(t)
	leaf, err := root.IssueClient(key.Public(), acme())
	if err != nil {
		t.Fatal(err)
	}
	first, rest := pem.Decode(ca.EncodeCertificates(leaf, root.Cert))
	second, rest := pem.Decode(rest)
	if first == nil || second == nil || len(rest) != 0 || !bytes.Equal(first.Bytes, leaf.Raw) || !bytes.Equal(second.Bytes, root.Cert.Raw) {
		t.Error("the PEM does not hold the two certificates in order")
	}
	out, err := ca.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(out)
	back, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !back.(*ecdsa.PrivateKey).Equal(key) {
		t.Errorf("the key does not come back: %v", err)
	}
}
