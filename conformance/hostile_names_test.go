package conformance

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// TestNamesThatPathValidationPassesOver: an authority that is constrained to names
// elsewhere writes the victim's name in constructed form, which is no DER and which
// crypto/x509 neither reads nor holds to the constraints. It must not be a name when
// the client is matched.
func TestNamesThatPathValidationPassesOver(t *testing.T) {
	clause.Covers(t, "RFC5280-4-2-1-10")
	d := harness.Shared(t)
	elsewhere := d.Cast.Root.Intermediate(t, "elsewhere only", keystest.PermittedDNS("elsewhere.test"))
	const mail, dns, uri, ip = 1, 2, 6, 7
	var cases []pkiCase
	for _, c := range []struct {
		client, value string
		tag           int
	}{
		{"conf-mail", harness.PlainMail, mail}, {"conf-dns", harness.MixedDNS, dns}, {"conf-chain", harness.ChainDNS, dns}, {"conf-uri", harness.PlainURI, uri},
		{"conf-ip", "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", ip},
	} {
		constructed := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: c.tag, IsCompound: true, Bytes: []byte(c.value)}
		// A name in a kind of its own keeps the leaf within the constraint.
		allowed := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: dns, Bytes: []byte("a.elsewhere.test")}
		for name, entries := range map[string][]asn1.RawValue{"alone": {constructed}, "behind one that is allowed": {allowed, constructed}} {
			der, err := asn1.Marshal(entries)
			if err != nil {
				t.Fatal(err)
			}
			pair := elsewhere.Client(t, keystest.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der}))
			cases = append(cases, pkiCase{c.client + " " + name, c.client, pair, unbelieved("subject_mismatch")})
		}
	}
	runPKICases(t, d, cases)
}
