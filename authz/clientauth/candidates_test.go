package clientauth

import (
	"crypto/x509/pkix"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

func TestCandidatesMatchTheirCertificate(t *testing.T) {
	ca := keystest.NewCA(t, "partners")
	leaf := ca.Client(t, keystest.Subject(pkix.Name{Organization: []string{"Acme, Ltd"}, CommonName: "billing"}),
		keystest.URI("https://acme.test/billing", "urn:acme:other"), keystest.DNS("Billing.acme.test"),
		keystest.IP("192.0.2.1", "2001:DB8::1"), keystest.Email("Ops@ACME.test")).Cert
	found, unseen := Candidates(leaf)
	var got []string
	for _, c := range found {
		if c.Problem != nil {
			t.Errorf("%s %s: %v", c.Matcher.Kind, c.Matcher.Value, c.Problem)
		}
		if v := matches(c.Matcher, leaf); !v.ok {
			t.Errorf("%s %s does not match: %+v", c.Matcher.Kind, c.Matcher.Value, v)
		}
		got = append(got, string(c.Matcher.Kind)+"="+c.Matcher.Value)
	}
	want := `san_uri=https://acme.test/billing
san_uri=urn:acme:other
san_dns=billing.acme.test
subject_dn=CN=billing,O=Acme\, Ltd
san_email=Ops@acme.test
san_ip=192.0.2.1
san_ip=2001:db8::1`
	if strings.Join(got, "\n") != want || unseen != 0 {
		t.Errorf("%d unseen and\n%s\nwant\n%s", unseen, strings.Join(got, "\n"), want)
	}
}

func TestCandidatesThatWouldNotMatch(t *testing.T) {
	leaf := keystest.NewCA(t, "partners").Client(t, keystest.URI("spiffe://Acme/billing", "spiffe://acme/a//b")).Cert
	found, _ := Candidates(leaf)
	if len(found) != 3 || found[0].Problem == nil || found[1].Problem == nil || found[2].Problem != nil {
		t.Errorf("two URIs that are no SPIFFE IDs: %+v", found)
	}
}

func TestCandidatesThatCannotBeRegistered(t *testing.T) {
	// subjectAltName of one otherName (tag 0), a URI with a blank and an empty DNS name.
	san := []byte{0x30, 0x0b, 0xa0, 0x02, 0x05, 0x00, 0x86, 0x03, 'a', ' ', 'b', 0x82, 0x00}
	leaf := keystest.NewCA(t, "partners").Client(t, keystest.Subject(pkix.Name{}),
		keystest.Extension(pkix.Extension{Id: oidSubjectAltName, Value: san})).Cert
	found, unseen := Candidates(leaf)
	if unseen != 1 || len(found) != 2 || found[0].Problem == nil || found[0].Matcher.Kind != storage.SANURI || found[1].Problem == nil {
		t.Errorf("%d unseen, %+v", unseen, found)
	}
}
