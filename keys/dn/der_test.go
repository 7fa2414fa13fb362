package dn

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// unhex joins hex written in groups.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFromDER(t *testing.T) {
	for _, tt := range []struct{ name, der, want string }{
		{"empty", "3000", ``},
		{"order is reversed", "3018 310a 3008 0603550406 1301 41" + "310a 3008 0603550403 0c01 62", `CN=b,C=A`},
		{"multi-valued, unsorted", "3016 3114 3008 060355040b 0c01 62" + "3008 0603550403 0c01 61", `OU=b+CN=a`},
		{"unnamed type", "300c 310a 3008 0603550462 0c01 61", `2.5.4.98=#0c0161`},
		{"empty value", "300b 3109 3007 060355040b 0c00", `OU=#0c00`},
		{"comma in the value", "300e 310c 300a 060355040a 0c03 412c42", `O=A\,B`},
		{"NULL value", "300b 3109 3007 0603550403 0500", `CN=#0500`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := FromDER(unhex(t, tt.der))
			if err != nil {
				t.Fatal(err)
			}
			if n.String() != tt.want {
				t.Errorf("got %s, want %s", n, tt.want)
			}
			if !n.IsEmpty() && !mustParse(t, n.String()).Equal(n) {
				t.Error("its string reads back as another name")
			}
		})
	}
}

func TestFromDERRefuses(t *testing.T) {
	const notName = "dn: not the DER of a distinguished name (RFC 5280 §4.1.2.4)"
	for _, tt := range []struct{ name, der, want string }{
		{"nothing", "", notName},
		{"not a sequence", "3100", notName},
		{"trailing octets", "300000", notName},
		{"truncated", "3005 3103 30", notName},
		{"indefinite length", "30800000", notName},
		{"long length", "30 8100", notName},
		{"not a set", "300a 3008 0603550403 1301 41", notName},
		{"primitive sequence", "1000", notName},
		{"empty set", "3002 3100", "dn: RDN 1 of the certificate: it has no attribute"},
		{"not a pair", "3005 3103 020101", "dn: RDN 1 of the certificate: malformed DER: unexpected tag"},
		{"type is no OID", "3009 3107 3005 0c0161 0500", "dn: RDN 1 of the certificate: malformed DER: unexpected tag"},
		{"type is a padded OID", "300d 310b 3009 0604558004 03 0c01 61", "dn: RDN 1 of the certificate: malformed attribute type"},
		{"empty OID", "3009 3107 3005 0600 0c01 61", "dn: RDN 1 of the certificate: malformed attribute type"},
		{"no value", "3009 3107 3005 0603550403", "dn: RDN 1 of the certificate: attribute 2.5.4.3 does not have exactly one value"},
		{"two values", "300f 310d 300b 0603550403 0c0161 0c0162", "dn: RDN 1 of the certificate: attribute 2.5.4.3 does not have exactly one value"},
		{"invalid UTF-8", "300c 310a 3008 0603550403 0c01 ff", "dn: RDN 1 of the certificate: CN: the value is not valid for its string type"},
		{"8-bit PrintableString", "300c 310a 3008 0603550403 1301 e9", "dn: RDN 1 of the certificate: CN: the value is not valid for its string type"},
		{"odd BMPString", "300c 310a 3008 0603550403 1e01 61", "dn: RDN 1 of the certificate: CN: the value is not valid for its string type"},
		{"surrogate in BMPString", "300f 310d 300b 0603550403 1e04 d83dde00", "dn: RDN 1 of the certificate: CN: the value is not valid for its string type"},
		{"UniversalString out of range", "300f 310d 300b 0603550403 1c04 00110000", "dn: RDN 1 of the certificate: CN: the value is not valid for its string type"},
		{"NUL ends a name for others", "300e 310c 300a 0603550403 0c03 610062", "dn: RDN 1 of the certificate: CN: the value contains NUL"},
		{"NUL in BMPString", "300f 310d 300b 0603550403 1e04 00610000", "dn: RDN 1 of the certificate: CN: the value contains NUL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := FromDER(unhex(t, tt.der))
			if err == nil {
				t.Fatalf("accepted as %q", n)
			}
			if err.Error() != tt.want {
				t.Errorf("\n got %s\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := FromDER(make([]byte, maxDER+1)); err == nil || err.Error() != "dn: a name of 8193 bytes of DER is over the limit of 8192" {
		t.Error(err)
	}
	set := unhex(t, "310a 3008 0603550403 0c01 61")
	many, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Repeat(set, 65)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromDER(many); err == nil || err.Error() != "dn: more than 64 RDNs" {
		t.Error(err)
	}
}

// subjects are names as an application would build them, with the string to be
// registered for each.
var subjects = []struct {
	name       string
	subject    pkix.RDNSequence
	registered string
}{
	{"plain", pkix.Name{CommonName: "billing", Organization: []string{"Acme"}, Country: []string{"GB"}}.ToRDNSequence(), "CN=billing,O=Acme,C=GB"},
	{"comma", pkix.Name{Organization: []string{"A, B"}}.ToRDNSequence(), `O=A\, B`},
	{"umlaut", pkix.Name{Organization: []string{"Müller GmbH"}}.ToRDNSequence(), `O=m\C3\BCller gmbh`},
	{"two units are one set", pkix.Name{OrganizationalUnit: []string{"x", "y"}}.ToRDNSequence(), "OU=y+OU=x"},
	{"eIDAS", pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "PSDGB-FCA-123"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "tpp"}},
	}, "CN=tpp,2.5.4.97=#130d50534447422d4643412d313233"},
	{"specials", pkix.Name{CommonName: `#a+b;"c"<d>\ `}.ToRDNSequence(), `CN=\#a\+b\;\"c\"\<d\>\\\ `},
	{"domain components", pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "net"}},
		{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "example"}},
	}, "DC=example,DC=net"},
}

func TestRegisteredMatchesCertificate(t *testing.T) {
	for _, tt := range subjects {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := asn1.Marshal(tt.subject)
			if err != nil {
				t.Fatal(err)
			}
			presented, err := FromDER(raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := Diff(mustParse(t, tt.registered), presented); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Operators copy the DN from tools; what openssl and crypto/x509 print must be
// read as the name in the certificate.
func TestReadsWhatToolsPrint(t *testing.T) {
	for _, tt := range subjects {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := asn1.Marshal(tt.subject)
			if err != nil {
				t.Fatal(err)
			}
			cert := keystest.SelfSigned(t, keystest.RawSubject(raw)).Cert
			presented, err := FromDER(cert.RawSubject)
			if err != nil {
				t.Fatal(err)
			}
			for tool, printed := range printers(t, cert) {
				if diff := Diff(mustParse(t, printed), presented); diff != "" {
					t.Errorf("%s prints %q: %s", tool, printed, diff)
				}
			}
		})
	}
}

// printers returns the subject as tools print it; openssl only where it exists.
func printers(t *testing.T, cert *x509.Certificate) map[string]string {
	var subject pkix.RDNSequence // cert.Subject would print the types it knows only
	if _, err := asn1.Unmarshal(cert.RawSubject, &subject); err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{"crypto/x509/pkix": subject.String()}
	path, err := exec.LookPath("openssl")
	if err != nil {
		return printed
	}
	cmd := exec.CommandContext(t.Context(), path, "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253")
	cmd.Stdin = bytes.NewReader(cert.Raw)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl: %v", err)
	}
	printed["openssl"] = strings.TrimSuffix(strings.TrimPrefix(string(out), "subject="), "\n")
	return printed
}
