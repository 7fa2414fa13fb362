package inspect_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/cmd/certbound/internal/inspect"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
)

// chain is one case of the differential test.
type chain struct {
	name    string
	anchors *keystest.CA
	pair    keystest.Pair
	reason  decision.Reason // ours; "" for accepted
	issuers *keystest.CA    // pinned, which openssl has no word for
	differs string          // why openssl says the opposite; "" when it agrees
}

// noLevel is why openssl takes what is weak.
const noLevel = "openssl verify has no security level unless -auth_level sets one: at its default every algorithm passes"

func chains(t *testing.T) []chain {
	root := keystest.NewCA(t, "root")
	issuing := root.Intermediate(t, "issuing")
	namesake := keystest.NewCA(t, "root")
	constrained := root.Intermediate(t, "constrained", keystest.PermittedDNS("partner.test"))
	short := root.Intermediate(t, "short", keystest.PathLen(0))
	rsa := keystest.NewCA(t, "rsa", keystest.RSA(2048))
	leaf := func(of *keystest.CA, opts ...keystest.Option) keystest.Pair { return of.Client(t, opts...) }
	alone := func(p keystest.Pair) keystest.Pair { p.Chain = nil; return p }
	untrusted, usage := decision.CertificateUntrusted, decision.CertificateWrongUsage
	return []chain{
		{name: "by the root", anchors: root, pair: leaf(root)},
		{name: "by an intermediate", anchors: root, pair: leaf(issuing)},
		{name: "three intermediates", anchors: root, pair: leaf(root.Deep(t, 3))},
		{name: "by an anchor that is no root", anchors: &keystest.CA{Cert: issuing.Cert}, pair: alone(leaf(issuing))},
		{name: "RSA 2048", anchors: root, pair: leaf(root, keystest.RSA(2048))},
		{name: "P-384", anchors: root, pair: leaf(root, keystest.EC(elliptic.P384()))},
		{name: "Ed25519", anchors: root, pair: leaf(root, keystest.Ed25519())},
		{name: "no extended key usage", anchors: root, pair: leaf(root, keystest.NoEKU())},
		{name: "client and server", anchors: root, pair: leaf(root, keystest.EKU(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))},
		{name: "X.509 v1", anchors: root, pair: leaf(root, keystest.Version1())},
		{name: "name within constraints", anchors: root, pair: leaf(constrained, keystest.DNS("a.partner.test"))},
		{name: "key usage keyAgreement", anchors: root, pair: leaf(root, keystest.KeyUsage(x509.KeyUsageKeyAgreement))},

		{name: "without its intermediate", anchors: root, pair: alone(leaf(issuing)), reason: untrusted},
		{name: "another root", anchors: namesake, pair: leaf(keystest.NewCA(t, "other")), reason: untrusted},
		{name: "a root of the same name", anchors: namesake, pair: leaf(root), reason: untrusted},
		{name: "self-signed", anchors: root, pair: keystest.SelfSigned(t), reason: untrusted},
		{name: "expired", anchors: root, pair: leaf(root, keystest.Expired()), reason: decision.CertificateExpired},
		{name: "not valid yet", anchors: root, pair: leaf(root, keystest.NotYetValid()), reason: decision.CertificateNotYetValid},
		{name: "expired intermediate", anchors: root, pair: leaf(root.Intermediate(t, "old", keystest.Expired())), reason: untrusted},
		{name: "server only", anchors: root, pair: leaf(root, keystest.EKU(x509.ExtKeyUsageServerAuth)), reason: usage},
		{name: "key usage keyEncipherment", anchors: root, pair: leaf(root, keystest.KeyUsage(x509.KeyUsageKeyEncipherment)), reason: usage},
		{name: "intermediate for servers", anchors: root, pair: leaf(root.Intermediate(t, "servers", keystest.EKU(x509.ExtKeyUsageServerAuth))), reason: usage},
		{name: "intermediate that is no CA", anchors: root, pair: leaf(root.Intermediate(t, "leaf", keystest.NotCA())), reason: untrusted},
		{name: "a client's own certificate as issuer", anchors: root, pair: leaf(keystest.Issuer(leaf(root))), reason: untrusted},
		{name: "beyond the path length", anchors: root, pair: leaf(short.Intermediate(t, "below")), reason: untrusted},
		{name: "name outside of constraints", anchors: root, pair: leaf(constrained, keystest.DNS("a.other.test")), reason: untrusted},
		{name: "critical extension nobody knows", anchors: root, pair: leaf(root, keystest.CriticalExtension()), reason: untrusted},
		{name: "MD5", anchors: rsa, pair: leaf(rsa, keystest.MD5()), reason: decision.CertificateWeak, differs: noLevel},
		{name: "SHA-1", anchors: rsa, pair: leaf(rsa, keystest.SHA1()), reason: decision.CertificateWeak, differs: noLevel},

		{name: "any usage", anchors: root, pair: leaf(root, keystest.EKU(x509.ExtKeyUsageAny)),
			differs: "anyExtendedKeyUsage permits every use (RFC 5280 §4.2.1.12); openssl wants clientAuth by name"},
		{name: "RSA 1024", anchors: root, pair: leaf(root, keystest.RSA(1024)), reason: decision.CertificateWeak, differs: noLevel},
		{name: "P-224", anchors: root, pair: leaf(root, keystest.EC(elliptic.P224())), reason: decision.CertificateWeak, differs: noLevel},
		{name: "six intermediates", anchors: root, pair: leaf(root.Deep(t, 6)), reason: untrusted,
			differs: "a bundle allows five unless it says otherwise; openssl allows a hundred"},
		{name: "a pinned issuer that is another", anchors: root, issuers: issuing, pair: leaf(root.Intermediate(t, "sister")), reason: untrusted,
			differs: "openssl cannot be told who must have issued the leaf"},
		{name: "the anchor itself", anchors: root, pair: keystest.Pair{Cert: root.Cert, Key: root.Key}, reason: usage},
		{name: "expired and by nobody we know", anchors: root, pair: leaf(keystest.NewCA(t, "third"), keystest.Expired()), reason: decision.CertificateExpired},
	}
}

// TestVerifyAgreesWithOpenSSL: each verdict is openssl's, or says why not.
func TestVerifyAgreesWithOpenSSL(t *testing.T) {
	all := chains(t)
	good, bad := 0, 0
	for _, c := range all {
		if c.reason == "" {
			good++
		} else {
			bad++
		}
		t.Run(c.name, func(t *testing.T) {
			spec := &trust.Spec{Name: "anchors", Version: 1, Anchors: c.anchors.CertPEM()}
			if c.issuers != nil {
				spec.Issuers = c.issuers.CertPEM()
			}
			v, err := inspect.Verify(&certinfo.File{Certificates: append([]*x509.Certificate{c.pair.Cert}, c.pair.Chain...)},
				inspect.Request{Bundle: spec, Now: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if v.Reason != c.reason || v.Accepted != (c.reason == "") {
				t.Errorf("verdict %+v, want reason %q", v, c.reason)
			}
			theirs, said := openssl(t, c)
			if agree := theirs == v.Accepted; agree == (c.differs != "") {
				t.Errorf("openssl accepts: %t, we: %t, explained by %q\n%s", theirs, v.Accepted, c.differs, said)
			}
		})
	}
	if good < 10 || bad < 10 {
		t.Errorf("%d good and %d bad chains are too few", good, bad)
	}
}

// openssl reports whether openssl accepts the chain for a TLS client.
func openssl(t *testing.T, c chain) (accepted bool, said string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, certs ...*x509.Certificate) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, ca.EncodeCertificates(certs...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{"verify", "-purpose", "sslclient", "-partial_chain", "-no-CApath", "-no-CAstore", "-CAfile", write("anchors.pem", c.anchors.Cert)}
	if len(c.pair.Chain) > 0 {
		args = append(args, "-untrusted", write("chain.pem", c.pair.Chain...))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", append(args, write("leaf.pem", c.pair.Cert))...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("openssl: %v", err)
	}
	return err == nil, string(out)
}
