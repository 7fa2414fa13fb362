package ca_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"github.com/certbound/certbound/keys/ca"
)

// TestLint holds what is signed to the lints of RFC 5280 and of good practice. The
// rules of the public Web PKI are left out: they are about server certificates.
func TestLint(t *testing.T) {
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: lint.SourceList{lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.Community}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.NewKey(ca.RSA4096)
	if err != nil {
		t.Fatal(err)
	}
	root, err := ca.Root(ca.Spec{Subject: pkix.Name{CommonName: "partners"}, Lifetime: 3650 * day, Key: key}, now)
	if err != nil {
		t.Fatal(err)
	}
	inter := issuing(t, root, ca.Permitted{DNS: []string{"acme.test"}})
	p := acme()
	p.IPs = nil
	client, err := inter.IssueClient(newKey(t).Public(), p)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := ca.NewKey(ca.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaClient, err := inter.IssueClient(rsaKey.Public(), p)
	if err != nil {
		t.Fatal(err)
	}
	for name, cert := range map[string]*x509.Certificate{"root": root.Cert, "intermediate": inter.Cert, "client": client, "RSA client": rsaClient} {
		parsed, err := zx509.ParseCertificate(cert.Raw)
		if err != nil {
			t.Fatal(err)
		}
		for id, result := range zlint.LintCertificateEx(parsed, registry).Results {
			if result.Status >= lint.Warn && !excepted[id] {
				t.Errorf("%s: %s: %v %s", name, id, result.Status, result.Details)
			}
		}
	}
}

// excepted are lints we do otherwise, on purpose.
var excepted = map[string]bool{
	// RFC 5280 §4.2.1.12 names digitalSignature and keyAgreement for clientAuth, as
	// consistent ("may be"). keyEncipherment beside them is what RSA certificates of
	// partners have everywhere, and some TLS 1.2 stacks look for it.
	"e_key_usage_and_extended_key_usage_inconsistent": true,
}

func TestCRL(t *testing.T) {
	root := newRoot(t)
	text, err := root.CRL(7, []ca.Revoked{{Serial: big.NewInt(42), At: now, Reason: 1}}, now, now.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(root.Cert); err != nil {
		t.Error(err)
	}
	if list.Number.Int64() != 7 || len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].ReasonCode != 1 ||
		!list.NextUpdate.Equal(now.Add(day).Truncate(time.Second)) {
		t.Errorf("%+v", list)
	}
	if _, err := root.CRL(8, nil, now, now); err == nil {
		t.Error("a list without a life")
	}
}
