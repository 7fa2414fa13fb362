package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

func TestVerify(t *testing.T) {
	root := keystest.NewCA(t, "root")
	rsaRoot := keystest.NewCA(t, "rsa root", keystest.RSA(2048))
	issuing := root.Intermediate(t, "issuing")
	impostor := keystest.NewCA(t, "root")
	twin := keystest.NewCA(t, "root", keystest.SubjectKeyID(root.Cert.SubjectKeyId))
	stranger := keystest.NewCA(t, "stranger")
	bundle := bundleOf(t, Spec{Anchors: anchors(root, rsaRoot)})

	for _, tt := range []struct {
		name     string
		pair     keystest.Pair
		sentinel error
		detail   string
	}{
		{"by the root", client(t, root), nil, ""},
		{"by an intermediate the client sends", client(t, issuing), nil, ""},
		{"by five intermediates, unsorted", reversed(client(t, root.Deep(t, 5))), nil, ""},
		{"notAfter 9999", client(t, root, keystest.NotAfter(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))), nil, ""},
		{"last second", client(t, root, keystest.NotAfter(now)), nil, ""},
		{"version 1", client(t, rsaRoot, keystest.Version1()), nil, ""},

		{"expired", client(t, root, keystest.Expired()), ErrUntrusted, "it expired at 2026-11-03T11:00:00Z"},
		{"not yet valid", client(t, root, keystest.NotYetValid()), ErrUntrusted, "it is not valid before 2026-11-03T13:00:00Z"},
		{"unknown CA", client(t, stranger), ErrUntrusted, "the authority CN=stranger, which issued CN=client, is neither in bundle partners@3 nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain"},
		{"unknown CA sent along", with(client(t, stranger), stranger.Cert), ErrUntrusted, "its chain ends at CN=stranger, which is not an anchor of bundle partners@3"},
		{"same-named CA with another key", client(t, impostor), ErrUntrusted, "CN=client names CN=root as its issuer, but was not signed with that authority's key"},
		{"same-named CA sent along", with(client(t, impostor), impostor.Cert), ErrUntrusted, "CN=root has the name of an authority of the bundle, but not its key"},
		{"same name and key identifier", with(client(t, twin), twin.Cert), ErrUntrusted, "CN=client names CN=root as its issuer, but was not signed with that authority's key"},
		{"intermediate of the impostor", client(t, impostor.Intermediate(t, "issuing")), ErrUntrusted, "CN=issuing names CN=root as its issuer, but was not signed with that authority's key"},
		{"self-signed", keystest.SelfSigned(t, keystest.Now(now)), ErrUntrusted, "it is self-signed, or names itself as its issuer, and bundle partners@3 does not hold it"},
		{"self-signed with the root's name", keystest.SelfSigned(t, keystest.Now(now), keystest.RawSubject(root.Cert.RawSubject)), ErrUntrusted, "CN=root has the name of an authority of the bundle, but not its key"},
		{"missing intermediate of unrelated name", alone(client(t, issuing)), ErrUntrusted, "the authority CN=issuing, which issued CN=client, is neither in bundle partners@3 nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain"},
		{"expired intermediate", client(t, root.Intermediate(t, "old", keystest.Validity(now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0)))), ErrExpiredIssuer, "CN=old expired at 2025-11-03T12:00:00Z"},
		{"future intermediate", client(t, root.Intermediate(t, "new", keystest.Validity(now.AddDate(1, 0, 0), now.AddDate(2, 0, 0)))), ErrExpiredIssuer, "CN=new is not valid before 2027-11-03T12:00:00Z"},
		{"path length 0", client(t, root.Intermediate(t, "short", keystest.PathLen(0)).Intermediate(t, "below")), ErrUntrusted, "bundle partners@3: x509: too many intermediates for path length constraint"},
		{"leaf as authority", client(t, keystest.Issuer(client(t, root, keystest.CommonName("leaf")))), ErrUntrusted, "CN=leaf signed CN=client but is no authority that may (CA:TRUE and keyCertSign are needed, RFC 5280 §6.1.4)"},
		{"keyCertSign missing", client(t, root.Intermediate(t, "mute", keystest.KeyUsage(x509.KeyUsageDigitalSignature))), ErrUntrusted, "CN=mute signed CN=client but is no authority that may (CA:TRUE and keyCertSign are needed, RFC 5280 §6.1.4)"},
		{"SHA-1", client(t, rsaRoot, keystest.SHA1()), ErrUntrusted, "CN=client is signed with SHA1-RSA, which is not secure"},
		{"SHA-1 on the intermediate", client(t, rsaRoot.Intermediate(t, "sha1", keystest.SHA1())), ErrUntrusted, "CN=sha1 is signed with SHA1-RSA, which is not secure"},
		{"weak intermediate", client(t, root.Intermediate(t, "weak", keystest.RSA(1024))), ErrUntrusted, "CN=weak on its path: peercert: certificate is weak: its RSA key has 1024 bits, at least 2048 are needed"},
		{"weak leaf", client(t, root, keystest.RSA(1024)), ErrUntrusted, "CN=client on its path: peercert: certificate is weak: its RSA key has 1024 bits, at least 2048 are needed"},
		{"too deep", client(t, root.Deep(t, 6)), ErrUntrusted, "its path to CN=root has 6 intermediates, bundle partners@3 allows 5"},
		{"unknown critical extension", client(t, root, keystest.CriticalExtension()), ErrUntrusted, "it has a critical extension that is not understood (RFC 5280 §4.2): 1.3.6.1.4.1.32473.1"},
		{"unknown critical extension above", client(t, root.Intermediate(t, "odd", keystest.CriticalExtension())), ErrUntrusted, "bundle partners@3: x509: unhandled critical extension"},
		{"outside the name constraint", client(t, root.Intermediate(t, "only a", keystest.PermittedDNS("a.test")), keystest.DNS("b.test")), ErrUntrusted, `bundle partners@3: x509: a root or intermediate certificate is not authorized to sign for this name: DNS name "b.test" is not permitted by any constraint`},
		{"within the name constraint", client(t, root.Intermediate(t, "only a", keystest.PermittedDNS("a.test")), keystest.DNS("x.a.test")), nil, ""},
		{"the anchor itself", keystest.Pair{Cert: root.Cert}, ErrWrongUsage, "it is an authority of bundle partners@3, not a client's certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantError(t, bundle.Verify(tt.pair.Cert, tt.pair.Chain, now), tt.sentinel, tt.detail)
		})
	}
}

func TestForgedSignature(t *testing.T) {
	root := keystest.NewCA(t, "root")
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	der := append([]byte(nil), client(t, root).Cert.Raw...)
	der[len(der)-1] ^= 1
	forged, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, bundle.Verify(forged, nil, now), ErrUntrusted, "CN=client names CN=root as its issuer, but was not signed with that authority's key")
}

func TestNothingToVerify(t *testing.T) {
	root := keystest.NewCA(t, "root")
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	leaf := client(t, root).Cert
	wantError(t, bundle.Verify(nil, nil, now), ErrUntrusted, "there is no certificate")
	wantError(t, bundle.Verify(&x509.Certificate{}, nil, now), ErrUntrusted, "there is no certificate")
	wantError(t, bundle.Verify(leaf, nil, time.Time{}), ErrUntrusted, "the current time is not known")
	wantError(t, bundle.Verify(leaf, make([]*x509.Certificate, 11), now), ErrUntrusted, "11 certificates were sent with it, at most 10 are considered")
	wantError(t, bundle.Verify(leaf, []*x509.Certificate{nil, {}, leaf, leaf, root.Cert}, now), nil, "")
}

func TestUsage(t *testing.T) {
	root := keystest.NewCA(t, "root")
	serverOnly := root.Intermediate(t, "servers", keystest.EKU(x509.ExtKeyUsageServerAuth))
	both := root.Intermediate(t, "both", keystest.EKU(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))
	anyUse := root.Intermediate(t, "any", keystest.EKU(x509.ExtKeyUsageAny))
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	unknown, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 32473, 2}})
	if err != nil {
		t.Fatal(err)
	}
	private := keystest.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: unknown})
	for _, tt := range []struct {
		name   string
		pair   keystest.Pair
		detail string
	}{
		{"clientAuth", client(t, root), ""},
		{"none", client(t, root, keystest.NoEKU()), ""},
		{"any", client(t, root, keystest.EKU(x509.ExtKeyUsageAny)), ""},
		{"server and client", client(t, root, keystest.EKU(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)), ""},
		{"authority for both", client(t, both), ""},
		{"authority for any", client(t, anyUse), ""},
		{"serverAuth only", client(t, root, keystest.EKU(x509.ExtKeyUsageServerAuth)), "the extended key usage of CN=client does not include clientAuth (RFC 5280 §4.2.1.12)"},
		{"a private usage only", client(t, root, keystest.NoEKU(), private), "the extended key usage of CN=client does not include clientAuth (RFC 5280 §4.2.1.12)"},
		{"authority that excludes clientAuth", client(t, serverOnly), "the extended key usage of CN=servers does not include clientAuth (RFC 5280 §4.2.1.12)"},
		{"leaf without EKU below it", client(t, serverOnly, keystest.NoEKU()), "the extended key usage of CN=servers does not include clientAuth (RFC 5280 §4.2.1.12)"},
		{"any below it", client(t, serverOnly, keystest.EKU(x509.ExtKeyUsageAny)), "the extended key usage of CN=servers does not include clientAuth (RFC 5280 §4.2.1.12)"},
		{"keyAgreement", client(t, root, keystest.KeyUsage(x509.KeyUsageKeyAgreement)), ""},
		{"keyEncipherment only", client(t, root, keystest.KeyUsage(x509.KeyUsageKeyEncipherment)), "its key usage has neither digitalSignature nor keyAgreement (RFC 5280 §4.2.1.12)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sentinel := ErrWrongUsage
			if tt.detail == "" {
				sentinel = nil
			}
			wantError(t, bundle.Verify(tt.pair.Cert, tt.pair.Chain, now), sentinel, tt.detail)
		})
	}
}

// A constraint that crypto/x509 passes over must not be passed over here.
func TestNameConstraintOnAnotherKind(t *testing.T) {
	root := keystest.NewCA(t, "root")
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	directoryName := []byte{0x30, 0x08, 0xa0, 0x06, 0x30, 0x04, 0xa4, 0x02, 0x30, 0x00}
	for _, critical := range []bool{false, true} {
		constrained := root.Intermediate(t, "constrained", keystest.Extension(pkix.Extension{Id: oidNameConstraints, Critical: critical, Value: directoryName}))
		pair := client(t, constrained)
		detail := "CN=constrained on its path: " + errNameConstraintKind.Error()
		if critical {
			detail = "bundle partners@3: x509: unhandled critical extension"
		}
		wantError(t, bundle.Verify(pair.Cert, pair.Chain, now), ErrUntrusted, detail)
	}
}

func TestIssuersPin(t *testing.T) {
	root := keystest.NewCA(t, "root")
	issuing, other := root.Intermediate(t, "issuing"), root.Intermediate(t, "other")
	cross := keystest.NewCA(t, "cross root")
	crossed := cross.Intermediate(t, "issuing", keystest.WithKey(issuing.Key), keystest.SubjectKeyID(issuing.Cert.SubjectKeyId))
	impostor := root.Intermediate(t, "issuing")
	bundle := bundleOf(t, Spec{Anchors: anchors(root, cross), Issuers: issuing.CertPEM()})

	const notIssuer = ", which is not one of the issuers of bundle partners@3"
	for _, tt := range []struct {
		name   string
		pair   keystest.Pair
		detail string
	}{
		{"by the issuer, sent", client(t, issuing), ""},
		{"by the issuer, from the bundle", alone(client(t, issuing)), ""},
		{"by its cross-certificate", client(t, crossed), ""},
		{"by another authority below the anchor", client(t, other), "it was issued by CN=other" + notIssuer},
		{"by one with the issuer's name", client(t, impostor), "it was issued by CN=issuing" + notIssuer},
		{"by the anchor", client(t, root), "it was issued by CN=root" + notIssuer},
		{"by one below the issuer", client(t, issuing.Intermediate(t, "below")), "it was issued by CN=below" + notIssuer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sentinel := ErrUntrusted
			if tt.detail == "" {
				sentinel = nil
			}
			wantError(t, bundle.Verify(tt.pair.Cert, tt.pair.Chain, now), sentinel, tt.detail)
		})
	}
}

func TestIssuingAuthorityAsAnchor(t *testing.T) {
	root := keystest.NewCA(t, "root")
	issuing := root.Intermediate(t, "issuing", keystest.PathLen(0))
	sibling := root.Intermediate(t, "sibling")
	bundle := bundleOf(t, Spec{Anchors: issuing.CertPEM()})
	good := client(t, issuing)
	wantError(t, bundle.Verify(good.Cert, nil, now), nil, "")
	wantError(t, bundle.Verify(good.Cert, []*x509.Certificate{issuing.Cert, root.Cert}, now), nil, "")
	// The root above the anchor is not trusted, nor what else it signs.
	bad := client(t, sibling)
	wantError(t, bundle.Verify(bad.Cert, []*x509.Certificate{sibling.Cert, root.Cert}, now), ErrUntrusted,
		"its chain ends at CN=root, which is not an anchor of bundle partners@3")
}

func TestMaxDepth(t *testing.T) {
	root := keystest.NewCA(t, "root")
	two := client(t, root.Deep(t, 2))
	wantError(t, bundleOf(t, Spec{Anchors: anchors(root), MaxDepth: 2}).Verify(two.Cert, two.Chain, now), nil, "")
	wantError(t, bundleOf(t, Spec{Anchors: anchors(root), MaxDepth: 1}).Verify(two.Cert, two.Chain, now), ErrUntrusted,
		"its path to CN=root has 2 intermediates, bundle partners@3 allows 1")
	// A shorter way to another anchor is found although the long one is there.
	short := bundleOf(t, Spec{Anchors: append(anchors(root), pemOf(two.Chain[0])...), MaxDepth: 1})
	wantError(t, short.Verify(two.Cert, two.Chain, now), nil, "")
}

func TestBundleIntermediates(t *testing.T) {
	root := keystest.NewCA(t, "root")
	issuing := root.Intermediate(t, "issuing")
	stray := keystest.NewCA(t, "stray")
	bundle := bundleOf(t, Spec{Anchors: anchors(root), Intermediates: anchors(issuing, stray)})
	wantError(t, bundle.Verify(client(t, issuing).Cert, nil, now), nil, "")
	// A helper is not an anchor.
	wantError(t, bundle.Verify(client(t, stray).Cert, nil, now), ErrUntrusted, "its chain ends at CN=stray, which is not an anchor of bundle partners@3")
}

func TestChainIncomplete(t *testing.T) {
	root := keystest.NewCA(t, "", organization("Acme", "root"))
	policy := root.Intermediate(t, "", organization("Acme", "policy"))
	issuing := policy.Intermediate(t, "", organization("Acme", "issuing"))
	stranger := keystest.NewCA(t, "", organization("Evil", "issuing"))
	pair := client(t, issuing)
	open := bundleOf(t, Spec{Anchors: anchors(root)})
	wantError(t, open.Verify(pair.Cert, pair.Chain, now), nil, "")
	wantError(t, open.Verify(pair.Cert, nil, now), ErrChainIncomplete,
		"the authority CN=issuing,O=Acme, which issued CN=client, is neither in bundle partners@3 nor was it sent: have the client send its whole chain, or add the authority to the bundle's intermediates")
	wantError(t, open.Verify(pair.Cert, pair.Chain[:1], now), ErrChainIncomplete,
		"the authority CN=policy,O=Acme, which issued CN=issuing,O=Acme, is neither in bundle partners@3 nor was it sent: have the client send its whole chain, or add the authority to the bundle's intermediates")
	wantError(t, open.Verify(client(t, stranger).Cert, nil, now), ErrUntrusted,
		"the authority CN=issuing,O=Evil, which issued CN=client, is neither in bundle partners@3 nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain")
	// No authority can be below this anchor, so none can be missing.
	closed := bundleOf(t, Spec{Anchors: keystest.NewCA(t, "", organization("Acme", "flat"), keystest.PathLen(0)).CertPEM()})
	wantError(t, closed.Verify(pair.Cert, nil, now), ErrUntrusted,
		"the authority CN=issuing,O=Acme, which issued CN=client, is neither in bundle partners@3 nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain")
}

func TestExpiredAnchorOfLoadedBundle(t *testing.T) {
	root := keystest.NewCA(t, "root", keystest.Validity(now.AddDate(-2, 0, 0), now.AddDate(0, 0, -1)))
	bundle, err := Load(Spec{Name: "old", Version: 1, Anchors: anchors(root)})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, bundle.Verify(client(t, root).Cert, nil, now), ErrExpiredIssuer, "CN=root expired at 2026-11-02T12:00:00Z")
}

func reversed(p keystest.Pair) keystest.Pair {
	var chain []*x509.Certificate
	for _, c := range p.Chain {
		chain = append([]*x509.Certificate{c}, chain...)
	}
	p.Chain = chain
	return p
}

func with(p keystest.Pair, extra ...*x509.Certificate) keystest.Pair {
	p.Chain = append(p.Chain[:len(p.Chain):len(p.Chain)], extra...)
	return p
}

func alone(p keystest.Pair) keystest.Pair {
	p.Chain = nil
	return p
}
