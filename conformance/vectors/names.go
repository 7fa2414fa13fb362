package vectors

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
)

// NameFile is names.json.
type NameFile struct {
	Format      string     `json:"format"`
	Description string     `json:"description"`
	Cases       []NameCase `json:"cases"`
}

// NameCase is a registered subject value (RFC 8705 §2.1.2) and a certificate.
type NameCase struct {
	ID         string `json:"id"`
	Parameter  string `json:"parameter"` // tls_client_auth_…
	Registered string `json:"registered"`
	PEM        string `json:"certificate_pem,omitempty"`
	Verdict    string `json:"verdict"` // match, mismatch, or refused: it must not be registered
}

func names() *NameFile {
	f := &NameFile{Format: Format, Description: "Registered subject values and certificates with expected equality. DN strings are RFC 4514: the last RDN of the certificate first."}
	f.distinguished()
	f.alternative()
	f.refused()
	return f
}

// Tags of the string types of DirectoryString and IA5String.
const (
	tagUTF8      = 12
	tagPrintable = 19
	tagIA5       = 22
	tagBMP       = 30
)

var (
	oidCN    = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidC     = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidO     = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU    = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidOrgID = asn1.ObjectIdentifier{2, 5, 4, 97}
	oidDC    = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidOther = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 7}
)

type atv struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

func at(oid asn1.ObjectIdentifier, tag int, text string) atv {
	return atv{oid, asn1.RawValue{Tag: tag, Bytes: []byte(text)}}
}

// name is a certificate's subject, each argument one RDN.
func name(rdns ...[]atv) []byte {
	type rdnSET []atv // the suffix makes it a SET
	var sequence []rdnSET
	for _, r := range rdns {
		sequence = append(sequence, r)
	}
	return one(asn1.Marshal(sequence))
}

func rdn(attributes ...atv) []atv { return attributes }

// subject mints a certificate with that subject and no other name.
func subject(der []byte) string {
	key := ecKey("names")
	template := &x509.Certificate{SerialNumber: authority.SerialNumber, RawSubject: der, NotBefore: validFrom, NotAfter: validTo}
	return encodePEM("CERTIFICATE", sign(template, authority, key.Public(), ecKey("authority")).Raw)
}

func (f *NameFile) distinguished() {
	plain := name(rdn(at(oidC, tagPrintable, "DE")), rdn(at(oidO, tagUTF8, "Acme")), rdn(at(oidCN, tagUTF8, "billing")))
	multi := name(rdn(at(oidO, tagUTF8, "Acme")), rdn(at(oidOU, tagUTF8, "a"), at(oidCN, tagUTF8, "b")))
	cn := func(tag int, text string) []byte { return name(rdn(at(oidCN, tag, text))) }
	for _, c := range []struct {
		id, registered string
		der            []byte
		equal          bool
	}{
		{"plain", "CN=billing,O=Acme,C=DE", plain, true},
		{"blanks around", "CN = billing , O = Acme , C = DE", plain, true},
		{"types in lower case", "cn=billing,o=Acme,c=DE", plain, true},
		{"types as numbers", "2.5.4.3=billing,2.5.4.10=Acme,2.5.4.6=DE", plain, true},
		{"values in other letter case", "CN=Billing,O=ACME,C=de", plain, true},
		{"order of the certificate", "C=DE,O=Acme,CN=billing", plain, false},
		{"one RDN less", "CN=billing,O=Acme", plain, false},
		{"one RDN more", "CN=billing,OU=x,O=Acme,C=DE", plain, false},
		{"other type", "CN=billing,OU=Acme,C=DE", plain, false},
		{"part of a value", "CN=bill,O=Acme,C=DE", plain, false},
		{"value that holds the rest", `CN=billing\,O=Acme\,C=DE`, plain, false},
		{"UTF8String for PrintableString", "CN=a b", cn(tagPrintable, "a b"), true},
		{"BMPString", "CN=ab", cn(tagBMP, "\x00a\x00b"), true},
		{"blanks within", "CN=a b", cn(tagUTF8, "a   b"), true},
		{"blanks at the ends", "CN=a b", cn(tagUTF8, " a b  "), true},
		{"no blank", "CN=ab", cn(tagUTF8, "a b"), false},
		{"comma in a value", `CN=a\, b`, cn(tagUTF8, "a, b"), true},
		{"comma in hex", `CN=a\2C b`, cn(tagUTF8, "a, b"), true},
		{"plus in a value", `CN=a\+b`, cn(tagUTF8, "a+b"), true},
		{"composed and decomposed", "CN=é", cn(tagUTF8, "e\u0301"), true},
		{"sharp s", "CN=straße", cn(tagUTF8, "STRASSE"), true},
		{"soft hyphen", "CN=ab", cn(tagUTF8, "a\u00adb"), true},
		{"a letter that looks alike", "CN=acme", cn(tagUTF8, "\u0430cme"), false},
		{"NUL in the certificate", "CN=a", cn(tagUTF8, "a\x00b"), false},
		{"RDN of two, other order", "CN=b+OU=a,O=Acme", multi, true},
		{"RDN of two", "OU=a+CN=b,O=Acme", multi, true},
		{"RDN of two as two", "CN=b,OU=a,O=Acme", multi, false},
		{"RDN of two, one missing", "CN=b,O=Acme", multi, false},
		{"organizationIdentifier by name", "organizationIdentifier=PSDDE-BAFIN-1", name(rdn(at(oidOrgID, tagUTF8, "PSDDE-BAFIN-1"))), true},
		{"organizationIdentifier by number", "2.5.4.97=PSDDE-BAFIN-1", name(rdn(at(oidOrgID, tagUTF8, "PSDDE-BAFIN-1"))), true},
		{"domain components", "DC=acme,DC=example", name(rdn(at(oidDC, tagIA5, "example")), rdn(at(oidDC, tagIA5, "acme"))), true},
		{"unknown type as DER", "1.3.6.1.4.1.32473.7=#0c0161", name(rdn(at(oidOther, tagUTF8, "a"))), true},
		{"empty subject", "CN=a", name(), false},
	} {
		f.add(c.id, "subject_dn", c.registered, subject(c.der), c.equal)
	}
}

func (f *NameFile) add(id, kind, registered, pem string, equal bool) {
	verdict := "mismatch"
	if equal {
		verdict = "match"
	}
	f.Cases = append(f.Cases, NameCase{kind + ": " + id, "tls_client_auth_" + kind, registered, pem, verdict})
}

// general is one GeneralName, RFC 5280 §4.2.1.6.
func general(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}

// san mints a certificate with these alternative names.
func san(names ...asn1.RawValue) string {
	key := ecKey("names")
	template := &x509.Certificate{
		SerialNumber: authority.SerialNumber, Subject: pkix.Name{CommonName: "billing.acme.test"}, NotBefore: validFrom, NotAfter: validTo,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: one(asn1.Marshal(names))}},
	}
	return encodePEM("CERTIFICATE", sign(template, authority, key.Public(), ecKey("authority")).Raw)
}

func (f *NameFile) alternative() {
	const mail, dns, uri, ip = 1, 2, 6, 7
	host, id := "billing.acme.test", "spiffe://acme.test/billing"
	for _, c := range []struct {
		id, kind, registered, pem string
		equal                     bool
	}{
		{"plain", "san_dns", host, san(general(dns, host)), true},
		{"other letter case", "san_dns", host, san(general(dns, "Billing.ACME.test")), true},
		{"second entry", "san_dns", host, san(general(dns, "x.test"), general(dns, host)), true},
		{"wildcard presented", "san_dns", host, san(general(dns, "*.acme.test")), false},
		{"wildcard registered", "san_dns", "*.acme.test", san(general(dns, host)), false},
		{"in the common name only", "san_dns", host, san(general(dns, "x.test")), false},
		{"as a URI", "san_dns", host, san(general(uri, "https://"+host)), false},
		{"as mail", "san_dns", host, san(general(mail, "a@"+host)), false},
		{"a domain below", "san_dns", "acme.test", san(general(dns, host)), false},
		{"plain", "san_uri", id, san(general(uri, id)), true},
		{"other path case", "san_uri", id, san(general(uri, "spiffe://acme.test/Billing")), false},
		{"other scheme case", "san_uri", id, san(general(uri, "SPIFFE://acme.test/billing")), false},
		{"escaped letter", "san_uri", id, san(general(uri, "spiffe://acme.test/%62illing")), false},
		{"slash at the end", "san_uri", id, san(general(uri, id+"/")), false},
		{"a second SPIFFE ID", "san_uri", id, san(general(uri, "spiffe://acme.test/x"), general(uri, id)), true},
		{"second of two URIs", "san_uri", "urn:acme:a", san(general(uri, "urn:acme:b"), general(uri, "urn:acme:a")), true},
		{"plain", "san_ip", "192.0.2.1", san(general(ip, "\xc0\x00\x02\x01")), true},
		{"another", "san_ip", "192.0.2.1", san(general(ip, "\xc0\x00\x02\x02")), false},
		{"spelled out", "san_ip", "2001:DB8:0:0:0:0:0:1", san(general(ip, "\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01")), true},
		{"as a DNS name", "san_ip", "192.0.2.1", san(general(dns, "192.0.2.1")), false},
		{"plain", "san_email", "Ops@acme.test", san(general(mail, "Ops@ACME.test")), true},
		{"local part in other letter case", "san_email", "Ops@acme.test", san(general(mail, "ops@acme.test")), false},
	} {
		f.add(c.id, c.kind, c.registered, c.pem, c.equal)
	}
}

// refused are values that could never match, or could match too much.
func (f *NameFile) refused() {
	for _, c := range [][2]string{
		{"subject_dn", ""}, {"subject_dn", "billing"}, {"subject_dn", "CN"}, {"subject_dn", "CN=a,"}, {"subject_dn", "CN=a;O=b"}, {"subject_dn", "/C=DE/CN=a"}, {"subject_dn", "nosuchtype=a"}, {"subject_dn", `CN=a\`},
		{"san_dns", ""}, {"san_dns", "acme.test."}, {"san_dns", "a..b"}, {"san_dns", "a b"}, {"san_dns", "bücher.test"},
		{"san_uri", ""}, {"san_uri", "acme/billing"}, {"san_uri", "SPIFFE://acme.test/billing"}, {"san_uri", "spiffe://acme.test/a/../b"},
		{"san_ip", "192.0.2"}, {"san_ip", "010.0.0.1"}, {"san_ip", "::ffff:192.0.2.1"}, {"san_ip", "192.0.2.0/24"},
		{"san_email", "acme.test"}, {"san_email", "@acme.test"}, {"san_email", "ops@"},
	} {
		f.Cases = append(f.Cases, NameCase{c[0] + " refused: " + c[1], "tls_client_auth_" + c[0], c[1], "", "refused"})
	}
}
