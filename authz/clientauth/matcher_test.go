package clientauth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

func TestNewMatcher(t *testing.T) {
	for _, c := range []struct {
		kind      storage.MatcherKind
		value     string
		canonical string // empty: refused
	}{
		{storage.SANDNS, "Billing.Acme.example", "billing.acme.example"},
		{storage.SANDNS, "*.acme.example", "*.acme.example"},
		{storage.SANDNS, "acme.example.", ""},
		{storage.SANDNS, "", ""},
		{storage.SANDNS, "a..b", ""},
		{storage.SANDNS, "münchen.example", ""},
		{storage.SANDNS, "a b", ""},
		{storage.SANDNS, "a\x00b", ""},
		{storage.SANURI, "spiffe://acme.example/billing", "spiffe://acme.example/billing"},
		{storage.SANURI, "HTTPS://Acme/%7e", "HTTPS://Acme/%7e"},
		{storage.SANURI, "spiffe://acme.example", "spiffe://acme.example"},
		{storage.SANURI, "SPIFFE://acme.example/billing", ""},
		{storage.SANURI, "spiffe://Acme.example/billing", ""},
		{storage.SANURI, "spiffe://acme.example/billing/", ""},
		{storage.SANURI, "spiffe://acme.example//billing", ""},
		{storage.SANURI, "spiffe://acme.example/../billing", ""},
		{storage.SANURI, "spiffe://acme.example/%62illing", ""},
		{storage.SANURI, "spiffe://acme.example:443/billing", ""},
		{storage.SANURI, "spiffe://user@acme.example/billing", ""},
		{storage.SANURI, "spiffe://acme.example/billing?x=1", ""},
		{storage.SANURI, "spiffe:acme", ""},
		{storage.SANURI, "acme/billing", ""},
		{storage.SANURI, "urn:acme:billing", "urn:acme:billing"},
		{storage.SANURI, "spiffe://acme/\n", ""},
		{storage.SANURI, "", ""},
		{storage.SANIP, "127.0.0.1", "127.0.0.1"},
		{storage.SANIP, "0:0:0:0:0:0:0:1", "::1"},
		{storage.SANIP, "2001:DB8::0:1", "2001:db8::1"},
		{storage.SANIP, "127.1", ""},
		{storage.SANIP, "010.0.0.1", ""},
		{storage.SANIP, "fe80::1%eth0", ""},
		{storage.SANIP, "::ffff:127.0.0.1", ""},
		{storage.SANIP, "::ffff:7f00:1", ""},
		{storage.SANIP, "0:0:0:0:0:FFFF:127.0.0.1", ""},
		{storage.SANIP, "::127.0.0.1", "::7f00:1"},
		{storage.SANIP, "2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
		{storage.SANIP, "[::1]", ""},
		{storage.SANIP, "2130706433", ""},
		{storage.SANIP, "0x7f.0.0.1", ""},
		{storage.SANIP, "127.0.0.1 ", ""},
		{storage.SANIP, "10.0.0.0/8", ""},
		{storage.SANEmail, "Ops@Acme.Example", "Ops@acme.example"},
		{storage.SANEmail, "acme.example", ""},
		{storage.SANEmail, "@acme.example", ""},
		{storage.SANEmail, "a b@acme.example", ""},
		{storage.SANEmail, "ops@", ""},
		{storage.SANEmail, "o@ps@Acme.example", "o@ps@acme.example"},
		{storage.SANEmail, "ops@xn--mnchen-3ya.example", "ops@xn--mnchen-3ya.example"},
		{storage.SANEmail, "ops@münchen.example", ""},
		{storage.SANEmail, "öps@acme.example", ""},
		{storage.SANEmail, "ops@acme.example.", ""},
		{storage.SANEmail, "ops@[127.0.0.1]", ""},
		{storage.SANDNS, "XN--mnchen-3ya.example", "xn--mnchen-3ya.example"},
		{storage.SubjectDN, "CN=billing,O=Acme,C=DE", "-"},
		{storage.SubjectDN, "", ""},
		{storage.SubjectDN, "billing", ""},
		{"san_other", "x", ""},
		{"", "x", ""},
	} {
		m, err := NewMatcher(c.kind, c.value)
		switch {
		case c.canonical == "" && err == nil:
			t.Errorf("%s %q was accepted as %q", c.kind, c.value, m.Canonical)
		case c.canonical != "" && err != nil:
			t.Errorf("%s %q was refused: %v", c.kind, c.value, err)
		case c.canonical != "" && c.canonical != "-" && m.Canonical != c.canonical:
			t.Errorf("%s %q: canonical %q, want %q", c.kind, c.value, m.Canonical, c.canonical)
		}
	}
}

// TestMatches pairs each registered value with certificates that carry it, or
// something that only looks like it.
func TestMatches(t *testing.T) {
	ca := keystest.NewCA(t, "Partners CA")
	leaf := func(opts ...keystest.Option) *x509.Certificate { return ca.Client(t, opts...).Cert }
	acme := pkix.Name{Country: []string{"DE"}, Organization: []string{"Acme"}, CommonName: "billing"}

	for _, c := range []struct {
		name  string
		kind  storage.MatcherKind
		value string
		leaf  *x509.Certificate
		want  bool
	}{
		{"dns", storage.SANDNS, "billing.acme.example", leaf(keystest.DNS("billing.acme.example")), true},
		{"dns, other case", storage.SANDNS, "billing.acme.example", leaf(keystest.DNS("BILLING.acme.example")), true},
		{"dns, second entry", storage.SANDNS, "billing.acme.example", leaf(keystest.DNS("x.example", "billing.acme.example")), true},
		{"dns, wildcard registered", storage.SANDNS, "*.acme.example", leaf(keystest.DNS("billing.acme.example")), false},
		{"dns, wildcard presented", storage.SANDNS, "billing.acme.example", leaf(keystest.DNS("*.acme.example")), false},
		{"dns, only a suffix", storage.SANDNS, "acme.example", leaf(keystest.DNS("billing.acme.example")), false},
		{"dns, in the CN", storage.SANDNS, "billing.acme.example", leaf(keystest.CommonName("billing.acme.example")), false},
		{"dns, as a URI", storage.SANDNS, "billing.acme.example", leaf(keystest.URI("billing.acme.example")), false},
		{"dns, as e-mail", storage.SANDNS, "billing.acme.example", leaf(keystest.Email("billing.acme.example")), false},
		{"dns, none", storage.SANDNS, "billing.acme.example", leaf(), false},

		{"uri", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/billing")), true},
		{"uri, other case of the path", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/Billing")), false},
		{"uri, other case of the host", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://ACME.example/billing")), false},
		{"uri, second entry", storage.SANURI, "urn:acme:billing", leaf(keystest.URI("urn:acme:x", "urn:acme:billing")), true},
		{"spiffe, a second one", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/x", "spiffe://acme.example/billing")), true},
		{"spiffe, another URI beside", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/billing", "urn:acme:x")), true},
		{"spiffe, a DNS name beside", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/billing"), keystest.DNS("a.example")), true},
		{"spiffe, another trust domain", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://evil.example/billing")), false},
		{"uri, escapes", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/%62illing")), false},
		{"uri, trailing slash", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.URI("spiffe://acme.example/billing/")), false},
		{"uri, as dns", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.DNS("spiffe://acme.example/billing")), false},
		{"uri, in the CN", storage.SANURI, "spiffe://acme.example/billing", leaf(keystest.CommonName("spiffe://acme.example/billing")), false},

		{"ip", storage.SANIP, "::1", leaf(keystest.IP("::1")), true},
		{"ip, spelled out", storage.SANIP, "0:0:0:0:0:0:0:1", leaf(keystest.IP("::1")), true},
		{"ip v4", storage.SANIP, "127.0.0.1", leaf(keystest.IP("127.0.0.1")), true},
		{"ip, as dns", storage.SANIP, "127.0.0.1", leaf(keystest.DNS("127.0.0.1")), false},
		{"ip, mapped presented", storage.SANIP, "127.0.0.1", leaf(keystest.Extension(sanOf(tagIP, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01"))), false},
		{"ip, another", storage.SANIP, "127.0.0.1", leaf(keystest.IP("127.0.0.2")), false},

		{"email", storage.SANEmail, "ops@acme.example", leaf(keystest.Email("ops@ACME.example")), true},
		{"email, local part is exact", storage.SANEmail, "ops@acme.example", leaf(keystest.Email("OPS@acme.example")), false},
		{"email, in the subject", storage.SANEmail, "ops@acme.example", leaf(keystest.Subject(pkix.Name{
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "ops@acme.example"}},
		})), false},

		{"dn", storage.SubjectDN, "CN=billing,O=Acme,C=DE", leaf(keystest.Subject(acme)), true},
		{"dn, other case", storage.SubjectDN, "cn=BILLING,o=acme,c=de", leaf(keystest.Subject(acme)), true},
		{"dn, reversed", storage.SubjectDN, "C=DE,O=Acme,CN=billing", leaf(keystest.Subject(acme)), false},
		{"dn, one attribute less", storage.SubjectDN, "CN=billing,O=Acme", leaf(keystest.Subject(acme)), false},
		{"dn, one attribute more", storage.SubjectDN, "CN=billing,OU=x,O=Acme,C=DE", leaf(keystest.Subject(acme)), false},
		{"dn, all in one CN", storage.SubjectDN, "CN=billing,O=Acme,C=DE", leaf(keystest.CommonName("billing,O=Acme,C=DE")), false},
		{"dn, empty subject", storage.SubjectDN, "CN=billing", leaf(keystest.Subject(pkix.Name{}), keystest.DNS("x.example")), false},

		{"unknown kind", "san_other", "x", leaf(keystest.DNS("x")), false},
		{"no matcher at all", "", "", leaf(keystest.Subject(pkix.Name{})), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := matches(storage.Matcher{Kind: c.kind, Value: c.value}, c.leaf)
			if v.ok != c.want {
				t.Errorf("matches = %v, want %v (%+v)", v.ok, c.want, v)
			}
			if !v.ok && v.detail == "" {
				t.Error("a mismatch without a word for the operator")
			}
		})
	}
}

// TestURIIsComparedByItsOctets: crypto/x509 parses URIs, and printing a parsed
// one lower-cases the scheme. Two different certificates must not look alike.
func TestURIIsComparedByItsOctets(t *testing.T) {
	leaf := keystest.NewCA(t, "Partners CA").Client(t, keystest.Extension(sanOf(tagURI, "HTTPS://acme.example/billing"))).Cert
	if got := leaf.URIs[0].String(); got != "https://acme.example/billing" {
		t.Logf("crypto/x509 prints %q", got)
	}
	if matches(storage.Matcher{Kind: storage.SANURI, Value: "https://acme.example/billing"}, leaf).ok {
		t.Error("a URI in another letter case matched")
	}
	if !matches(storage.Matcher{Kind: storage.SANURI, Value: "HTTPS://acme.example/billing"}, leaf).ok {
		t.Error("the URI as it stands in the certificate did not match")
	}
}

// sanOf is a subjectAltName of one entry with these very octets.
func sanOf(tag int, value string) pkix.Extension {
	raw, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}})
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: oidSubjectAltName, Value: raw}
}

// FuzzNewMatcher: what is accepted has a canonical form that is accepted again
// and is its own canonical form.
func FuzzNewMatcher(f *testing.F) {
	for kind := range matcherRules {
		for _, value := range []string{"a.example", "spiffe://a/b", "::1", "a@b.example", "CN=a,O=b", "*", "%", "\x00"} {
			f.Add(string(kind), value)
		}
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		m, err := NewMatcher(storage.MatcherKind(kind), value)
		if err != nil || m.Kind == storage.SubjectDN { // keys/dn has a fuzz target of its own
			return
		}
		again, err := NewMatcher(m.Kind, m.Canonical)
		if err != nil || again.Canonical != m.Canonical {
			t.Fatalf("%s %q: canonical %q becomes %q (%v)", kind, value, m.Canonical, again.Canonical, err)
		}
		if m.Kind == storage.SANURI {
			if u, err := url.Parse(m.Canonical); err != nil || !u.IsAbs() {
				t.Fatalf("accepted %q as a URI", value)
			}
		}
	})
}
