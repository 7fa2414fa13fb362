package conformance

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// pkiCase is one certificate shown for one client, and what has to come of it;
// the zero want is a token.
type pkiCase struct {
	name   string
	client string
	pair   keystest.Pair
	want   refusal
}

func runPKICases(t *testing.T, d *harness.Dev, cases []pkiCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp := d.PostToken(t, &c.pair, harness.TokenForm(c.client, "scope", "accounts:read"))
			if c.want.status != 0 {
				expectRefusal(t, d, resp, c.want)
				return
			}
			if resp.Status != http.StatusOK {
				t.Fatalf("want a token, got %s; log %v", resp, d.Decision(t, resp))
			}
		})
	}
}

func TestChainIsValidated(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-a", "RFC8705-7-4", "RFC5280-6-1-3-a", "RFC5280-4-1-2-4", "RFC5280-4-2", "RFC5280-4-2-1-12", "RFC5280-6-1-4-a", "RFC8705-7-5")
	d, genuine := victim(t)
	partners := d.Bundle(t, "partners")
	san := keystest.URI(d.Client(t, "acme-billing").Match["san_uri"])
	impostor := keystest.NewCA(t, "impostor", keystest.RawSubject(partners.Cert.RawSubject), keystest.SubjectKeyID(partners.Cert.SubjectKeyId))
	sentAlong := impostor.Client(t, san)
	sentAlong.Chain = []*x509.Certificate{impostor.Cert}
	genuineCA := impostor.Client(t, san)
	genuineCA.Chain = []*x509.Certificate{partners.Cert}
	byLeaf := keystest.Issuer(genuine).Client(t, san)
	runPKICases(t, d, []pkiCase{
		{"the twin: minted like dev's own", "acme-billing", partners.Client(t, san), refusal{}},
		{"unknown CA", "acme-billing", keystest.NewCA(t, "unknown").Client(t, san), unbelieved("certificate_untrusted")},
		{"same-named CA with another key", "acme-billing", impostor.Client(t, san), unbelieved("certificate_untrusted")},
		{"same-named CA, sent along", "acme-billing", sentAlong, unbelieved("certificate_untrusted")},
		{"same-named CA, the genuine one sent along", "acme-billing", genuineCA, unbelieved("certificate_untrusted")},
		{"the other bundle's CA", "acme-billing", d.Bundle(t, "globex").Client(t, san), unbelieved("certificate_untrusted")},
		{"signed by a partner's leaf", "acme-billing", byLeaf, unbelieved("certificate_untrusted")},
		{"self-signed", "acme-billing", keystest.SelfSigned(t, san), unbelieved("certificate_untrusted")},
		{"same subject, serial and key id, self-signed", "acme-billing", keystest.SelfSigned(t, san,
			keystest.RawSubject(genuine.Cert.RawSubject), keystest.SerialNumber(genuine.Cert.SerialNumber),
			keystest.SubjectKeyID(genuine.Cert.SubjectKeyId)), unbelieved("certificate_untrusted")},
		{"unknown critical extension", "acme-billing", partners.Client(t, san, keystest.CriticalExtension()), unbelieved("certificate_untrusted")},
		{"server usage only", "acme-billing", partners.Client(t, san, keystest.EKU(x509.ExtKeyUsageServerAuth)), unbelieved("certificate_wrong_usage")},
	})
}

func TestIntermediates(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-a", "RFC5280-6-1-3-b", "RFC5280-6-1-4-a", "RFC5280-6-1-4-b", "RFC5280-6-1-4-c", "RFC5280-4-2-1-12")
	d := harness.Shared(t)
	c := d.Cast
	dns := keystest.DNS(harness.ChainDNS)
	full := c.Issuing.Client(t, dns)
	stranger := keystest.NewCA(t, "stranger").Intermediate(t, "stranger's issuing").Client(t, dns)
	stranger.Chain = nil
	leafOnly := full
	leafOnly.Chain = nil
	notCA := c.Root.Intermediate(t, "no CA flag", keystest.NotCA()).Client(t, dns)
	expired := c.Root.Intermediate(t, "expired", keystest.Expired()).Client(t, dns)
	short := c.Root.Intermediate(t, "short", keystest.PathLen(0)).Intermediate(t, "below").Client(t, dns)
	noSigning := c.Root.Intermediate(t, "no keyCertSign", keystest.KeyUsage(x509.KeyUsageDigitalSignature)).Client(t, dns)
	serverOnly := c.Root.Intermediate(t, "servers only", keystest.EKU(x509.ExtKeyUsageServerAuth)).Client(t, dns)
	elsewhere := c.Root.Intermediate(t, "elsewhere", keystest.PermittedDNS("elsewhere.test")).Client(t, dns)
	pinned := keystest.DNS(harness.PinnedDNS)
	runPKICases(t, d, []pkiCase{
		{"sent along", "conf-chain", full, refusal{}},
		{"not sent", "conf-chain", leafOnly, unbelieved("chain_incomplete")},
		{"not sent, and of a stranger", "conf-chain", stranger, unbelieved("certificate_untrusted")},
		{"without the CA flag", "conf-chain", notCA, unbelieved("certificate_untrusted")},
		{"expired", "conf-chain", expired, unbelieved("certificate_untrusted")},
		{"path length used up", "conf-chain", short, unbelieved("certificate_untrusted")},
		{"may not sign certificates", "conf-chain", noSigning, unbelieved("certificate_untrusted")},
		{"not for clients", "conf-chain", serverOnly, unbelieved("certificate_wrong_usage")},
		{"name constraint", "conf-chain", elsewhere, unbelieved("certificate_untrusted")},
		{"the named issuer", "conf-pinned", c.Named.Client(t, pinned), refusal{}},
		{"its sister under the same root", "conf-pinned", c.Other.Client(t, pinned), unbelieved("certificate_untrusted")},
		{"straight from the root", "conf-pinned", c.PinnedRoot.Client(t, pinned), unbelieved("certificate_untrusted")},
	})
}

// constraints are those of RFC 5280 §4.2.1.10, as DER.
type constraints struct {
	Permitted []subtree `asn1:"optional,tag:0"`
	Excluded  []subtree `asn1:"optional,tag:1"`
}

type subtree struct{ Base asn1.RawValue }

// TestNameConstraints: an intermediate that is limited to some names, or kept from
// some, in each kind of name.
func TestNameConstraints(t *testing.T) {
	clause.Covers(t, "RFC5280-4-2-1-10")
	d := harness.Shared(t)
	root := d.Cast.Root
	name := func(tag int, value string) []subtree {
		return []subtree{{asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: tag == 4, Bytes: []byte(value)}}}
	}
	below := func(c constraints, leaf keystest.Option) keystest.Pair {
		der, err := asn1.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		limited := keystest.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: true, Value: der})
		return root.Intermediate(t, "limited", limited).Client(t, leaf)
	}
	const mail, dns, directory, uri, ip = 1, 2, 4, 6, 7
	elsewhere := string(rawName(t, pkix.Name{Organization: []string{"Elsewhere"}}.ToRDNSequence()))
	untrusted := unbelieved("certificate_untrusted")
	runPKICases(t, d, []pkiCase{
		{"dns permitted", "conf-chain", below(constraints{Permitted: name(dns, "conformance.test")}, keystest.DNS(harness.ChainDNS)), refusal{}},
		{"dns not permitted", "conf-chain", below(constraints{Permitted: name(dns, "elsewhere.test")}, keystest.DNS(harness.ChainDNS)), untrusted},
		{"dns excluded", "conf-chain", below(constraints{Excluded: name(dns, "conformance.test")}, keystest.DNS(harness.ChainDNS)), untrusted},
		{"uri not permitted", "conf-uri", below(constraints{Permitted: name(uri, "elsewhere.test")}, keystest.URI(harness.PlainURI)), untrusted},
		{"uri excluded", "conf-uri", below(constraints{Excluded: name(uri, "conformance.test")}, keystest.URI(harness.PlainURI)), untrusted},
		{"ip not permitted", "conf-ip", below(constraints{Permitted: name(ip, "\x0a\x00\x00\x00\xff\x00\x00\x00")}, keystest.IP(harness.PlainIP)), untrusted},
		{"mail excluded", "conf-mail", below(constraints{Excluded: name(mail, "conformance.test")}, keystest.Email(harness.PlainMail)), untrusted},
		{"a kind that is not understood", "conf-chain", below(constraints{Permitted: name(directory, elsewhere)}, keystest.DNS(harness.ChainDNS)), untrusted},
	})
}

// TestWhatTheCertificateAloneShows are the failures a caller may know.
func TestWhatTheCertificateAloneShows(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-a", "RFC8705-2-2-a", "RFC5280-6-1-3-b", "RFC5280-4-1-2-5", "RFC9325-4-5-a", "RFC8705-7-5")
	d := harness.Shared(t)
	partners := d.Bundle(t, "partners")
	san := keystest.URI(d.Client(t, "acme-billing").Match["san_uri"])
	many := partners.Client(t, san)
	for range 11 {
		many.Chain = append(many.Chain, partners.Cert)
	}
	runPKICases(t, d, []pkiCase{
		{"expired", "acme-billing", partners.Client(t, san, keystest.Expired()), badClient("certificate_expired")},
		{"about to expire", "acme-billing", partners.Client(t, san, keystest.NotAfter(time.Now().Add(4*time.Second))), badClient("certificate_expired")},
		{"not yet valid", "acme-billing", partners.Client(t, san, keystest.NotYetValid()), badClient("certificate_not_yet_valid")},
		{"RSA 1024", "acme-billing", partners.Client(t, san, keystest.RSA(1024)), badClient("certificate_weak")},
		{"SHA-1", "acme-billing", partners.Client(t, san, keystest.SHA1()), badClient("certificate_weak")},
		{"twelve certificates", "acme-billing", many, badClient("certificate_malformed")},
		{"5 000 names", "acme-billing", partners.Client(t, keystest.ManyDNS(5000), san), badClient("certificate_malformed")},
		{"expired, and self-signed for a self-signed client", "acme-edge", keystest.SelfSigned(t, keystest.Expired()), badClient("certificate_expired")},
		{"the twin: RSA 2048", "acme-billing", partners.Client(t, san, keystest.RSA(2048)), refusal{}},
		{"the twin: P-384", "acme-billing", partners.Client(t, san, keystest.EC(elliptic.P384())), refusal{}},
		{"the twin: Ed25519", "acme-billing", partners.Client(t, san, keystest.Ed25519()), refusal{}},
		{"the twin: never ends", "acme-billing", partners.Client(t, san,
			keystest.Validity(time.Now().Add(-time.Hour), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))), refusal{}},
		{"the twin: many names", "acme-billing", partners.Client(t, keystest.ManyDNS(500), san), refusal{}},
	})
}

func TestSubjectMustBeTheClients(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-b", "RFC8705-2-1-c")
	d, acme := victim(t)
	mallory := d.Pair(t, "mallory-app")
	partners := d.Bundle(t, "partners")
	withAcme := mallory
	withAcme.Chain = append([]*x509.Certificate{acme.Cert}, mallory.Chain...)
	acmeWithMallory := acme
	acmeWithMallory.Chain = append([]*x509.Certificate{mallory.Cert}, acme.Chain...)
	san := d.Client(t, "acme-billing").Match["san_uri"]
	runPKICases(t, d, []pkiCase{
		{"mallory as acme", "acme-billing", mallory, unbelieved("subject_mismatch")},
		{"acme as mallory", "mallory-app", acme, unbelieved("subject_mismatch")},
		{"a stranger of the same CA", "acme-billing", partners.Client(t), unbelieved("subject_mismatch")},
		{"acme's certificate further up the chain", "acme-billing", withAcme, unbelieved("subject_mismatch")},
		{"acme, with mallory's further up", "mallory-app", acmeWithMallory, unbelieved("subject_mismatch")},
		{"acme, with mallory's further up, as acme", "acme-billing", acmeWithMallory, refusal{}},
		{"another client's serial number", "acme-billing", partners.Client(t, keystest.SerialNumber(acme.Cert.SerialNumber)), unbelieved("subject_mismatch")},
		{"the URI with a letter more", "acme-billing", partners.Client(t, keystest.URI(san+"x")), unbelieved("subject_mismatch")},
		{"the URI in the common name", "acme-billing", partners.Client(t, keystest.CommonName(san)), unbelieved("subject_mismatch")},
		{"two URIs, one of them right", "acme-billing", partners.Client(t, keystest.URI("spiffe://other.test/x", san)), refusal{}},
	})
	line := d.Decision(t, d.PostToken(t, &mallory, harness.TokenForm("acme-billing")))
	if line.Text("expected") == "" || line.Text("detail") == "" {
		t.Errorf("the operator is not told what was expected: %v", line)
	}
}

func TestSubjectDN(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-2-b", "RFC4517-4-2-15", "RFC4514-2-4")
	d := harness.Shared(t)
	issue := func(change func(*pkix.Name)) keystest.Pair {
		name := harness.SubjectDNName()
		if change != nil {
			change(&name)
		}
		return d.Cast.Issuing.Client(t, keystest.Subject(name))
	}
	runPKICases(t, d, []pkiCase{
		{"equal", "conf-dn", issue(nil), refusal{}},
		{"other letter case", "conf-dn", issue(func(n *pkix.Name) { n.Organization = []string{"CONFORMANCE"} }), refusal{}},
		{"insignificant spaces", "conf-dn", issue(func(n *pkix.Name) { n.CommonName = " billing " }), refusal{}},
		{"one attribute more", "conf-dn", issue(func(n *pkix.Name) { n.Locality = []string{"Lund"} }), unbelieved("subject_mismatch")},
		{"one attribute less", "conf-dn", issue(func(n *pkix.Name) { n.OrganizationalUnit = nil }), unbelieved("subject_mismatch")},
		{"comma split in two units", "conf-dn", issue(func(n *pkix.Name) { n.OrganizationalUnit = []string{"a", "b"} }), unbelieved("subject_mismatch")},
		{"reversed order", "conf-dn", issue(reverse), unbelieved("subject_mismatch")},
		{"the whole name in one CN", "conf-dn", issue(func(n *pkix.Name) { *n = pkix.Name{CommonName: harness.SubjectDN} }), unbelieved("subject_mismatch")},
		{"other string type", "conf-dn", d.Cast.Issuing.Client(t, keystest.RawSubject(inUTF8(t, harness.SubjectDNName()))), refusal{}},
		{"several values in one RDN, a hexadecimal value", "conf-hex", d.Cast.Issuing.Client(t, keystest.RawSubject(rawName(t, harness.HexSubject()))), refusal{}},
		{"the same values in RDNs of their own", "conf-hex", d.Cast.Issuing.Client(t, keystest.RawSubject(rawName(t, apart(harness.HexSubject())))), unbelieved("subject_mismatch")},
		{"empty subject", "conf-dn", issue(func(n *pkix.Name) { *n = pkix.Name{} }), unbelieved("subject_mismatch")},
	})
}

func rawName(t *testing.T, name pkix.RDNSequence) []byte {
	t.Helper()
	der, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// inUTF8 writes every value as a UTF8String, where PrintableString would do.
func inUTF8(t *testing.T, name pkix.Name) []byte {
	t.Helper()
	rdns := name.ToRDNSequence()
	for _, rdn := range rdns {
		for i := range rdn {
			rdn[i].Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(rdn[i].Value.(string))}
		}
	}
	return rawName(t, rdns)
}

// apart gives each value an RDN of its own.
func apart(name pkix.RDNSequence) (all pkix.RDNSequence) {
	for _, rdn := range name {
		for _, value := range rdn {
			all = append(all, pkix.RelativeDistinguishedNameSET{value})
		}
	}
	return all
}

// reverse writes the RDNs in the order a human reads them in RFC 4514.
func reverse(n *pkix.Name) {
	rdns := n.ToRDNSequence()
	*n = pkix.Name{}
	for i := len(rdns) - 1; i >= 0; i-- {
		n.ExtraNames = append(n.ExtraNames, rdns[i]...)
	}
}

func TestSubjectAlternativeNames(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-2-c", "RFC8705-2-1-2-d", "RFC8705-2-1-2-e", "RFC8705-2-1-2-f", "RFC8705-2-1-2-g")
	d := harness.Shared(t)
	with := func(opts ...keystest.Option) keystest.Pair { return d.Cast.Issuing.Client(t, opts...) }
	mismatch := unbelieved("subject_mismatch")
	runPKICases(t, d, []pkiCase{
		{"dns equal", "conf-dns", with(keystest.DNS(harness.MixedDNS)), refusal{}},
		{"dns in other case", "conf-dns", with(keystest.DNS("mixed.conformance.TEST")), refusal{}},
		{"dns below it", "conf-dns", with(keystest.DNS("a.mixed.conformance.test")), mismatch},
		{"dns as wildcard in the certificate", "conf-dns", with(keystest.DNS("*.conformance.test")), mismatch},
		{"dns in the common name", "conf-dns", with(keystest.CommonName(harness.MixedDNS)), mismatch},
		{"dns as URI", "conf-dns", with(keystest.URI("mixed.conformance.test")), mismatch},
		{"registered asterisk is no wildcard", "conf-wild", with(keystest.DNS("x.conformance.test")), mismatch},
		{"registered asterisk equals itself", "conf-wild", with(keystest.DNS(harness.WildDNS)), refusal{}},
		{"uri equal", "conf-uri", with(keystest.URI(harness.PlainURI)), refusal{}},
		{"uri in other case", "conf-uri", with(keystest.URI("https://conformance.test/billing?x=1")), mismatch},
		{"uri with a slash more", "conf-uri", with(keystest.URI("https://conformance.test/Billing/?x=1")), mismatch},
		{"uri escaped", "conf-uri", with(keystest.URI("https://conformance.test/%42illing?x=1")), mismatch},
		{"uri in a dns name", "conf-uri", with(keystest.DNS("conformance.test")), mismatch},
		{"ip equal", "conf-ip", with(keystest.IP("2001:0db8:0:0:0:0:0:1")), refusal{}},
		{"ip another", "conf-ip", with(keystest.IP("2001:db8::2")), mismatch},
		{"ip as dns name", "conf-ip", with(keystest.DNS(harness.PlainIP)), mismatch},
		{"mail equal, domain in other case", "conf-mail", with(keystest.Email("Billing@CONFORMANCE.test")), refusal{}},
		{"mail with local part in other case", "conf-mail", with(keystest.Email("billing@Conformance.test")), mismatch},
		{"mail in the subject", "conf-mail", with(keystest.Subject(pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: []int{1, 2, 840, 113549, 1, 9, 1}, Value: harness.PlainMail}}})), mismatch},
	})
}

func TestRegisteredMethodNames(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-1", "RFC8705-2-2-1")
	d := harness.Shared(t)
	methods, _ := metadata(t, d)["token_endpoint_auth_methods_supported"].([]any)
	if len(methods) != 2 || methods[0] != "tls_client_auth" || methods[1] != "self_signed_tls_client_auth" {
		t.Errorf("token_endpoint_auth_methods_supported: %v", methods)
	}
}

// TestRegistrationRefuses starts dev with a registration that is wrong in one
// way: it must not start, and must say which client it is.
func TestRegistrationRefuses(t *testing.T) {
	clause.Covers(t, "RFC8705-2-1-2-a", "RFC8705-2-2-2", "RFC8705-2-1-2-b", "RFC6749-4-4")
	one, other := keystest.SelfSigned(t), keystest.SelfSigned(t)
	mixed := harness.CertificateJWK(one)
	mixed["x5c"] = harness.CertificateJWK(other)["x5c"]
	private := harness.CertificateJWK(one)
	private["d"] = new(big.Int).Text(10)
	for _, c := range []struct {
		name   string
		client map[string]any
	}{
		{"no subject value", map[string]any{"token_endpoint_auth_method": "tls_client_auth", "trust_bundle": "partners"}},
		{"two subject values", map[string]any{"token_endpoint_auth_method": "tls_client_auth", "trust_bundle": "partners",
			"tls_client_auth_san_dns": "a.test", "tls_client_auth_san_uri": "spiffe://a.test"}},
		{"name that cannot be read", map[string]any{"token_endpoint_auth_method": "tls_client_auth", "trust_bundle": "partners",
			"tls_client_auth_subject_dn": "CN=a;O=b"}},
		{"no trust bundle", map[string]any{"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.test"}},
		{"other method", map[string]any{"token_endpoint_auth_method": "client_secret_basic"}},
		{"no certificate", map[string]any{"token_endpoint_auth_method": "self_signed_tls_client_auth"}},
		{"certificate of another key", map[string]any{"token_endpoint_auth_method": "self_signed_tls_client_auth",
			"jwks": map[string]any{"keys": []any{mixed}}}},
		{"private key", map[string]any{"token_endpoint_auth_method": "self_signed_tls_client_auth",
			"jwks": map[string]any{"keys": []any{private}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.client["client_id"], c.client["partner_id"], c.client["scope"] = "wrong-client", "acme", "accounts:read"
			result := runDevWithSeed(t, map[string]any{"clients": []any{c.client}})
			if result.Code == 0 {
				t.Fatal("it started")
			}
			expectMentions(t, result.Stderr, "wrong-client")
		})
	}
}
