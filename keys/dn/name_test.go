package dn

import "testing"

func TestEqual(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       bool
	}{
		{"same", "CN=a,O=b", "CN=a,O=b", true},
		{"letter case", "CN=ACME,o=Straße", "cn=acme,O=STRASSE", true},
		{"Greek final sigma", "CN=ΟΔΟΣ", "CN=οδος", true},
		{"inner and outer spaces", `CN=\ a   b\ `, "CN=a b", true},
		{"no-break and ideographic space", "CN=a\u00a0b", "CN=a\u3000b", true},
		{"tabulator is a space", "CN=a\tb", "CN=a b", true},
		{"composed and decomposed", "CN=\u00e9", "CN=e\u0301", true},
		{"full width", "CN=ＡＣＭＥ", "CN=acme", true},
		{"soft hyphen is nothing", "CN=ac\u00adme", "CN=acme", true},
		{"zero width space is nothing", "CN=ac\u200bme", "CN=acme", true},
		{"string types", "CN=#0c0161", "CN=#130161", true},
		{"IA5String", "DC=#160161", "DC=a", true},
		{"BMPString", "CN=#1e020061", "CN=a", true},
		{"UniversalString", "CN=#1c0400000061", "CN=a", true},
		{"ASCII TeletexString", "CN=#140161", "CN=a", true},
		{"set order", "CN=a+OU=b", "OU=b+CN=a", true},
		{"name and OID", "organizationIdentifier=x", "2.5.4.97=#0c0178", true},
		{"emailAddress", "E=A@Example.com", "1.2.840.113549.1.9.1=#160d61406578616d706c652e636f6d", true},

		{"reversed", "CN=a,O=b", "O=b,CN=a", false},
		{"RDN missing", "CN=a,OU=c,O=b", "CN=a,O=b", false},
		{"RDN added", "CN=a", "CN=a,O=b", false},
		{"other value", "CN=a", "CN=b", false},
		{"other type", "CN=a", "OU=a", false},
		{"multi-valued against two RDNs", "CN=a+O=b", "CN=a,O=b", false},
		{"attribute added to the set", "CN=a", "CN=a+OU=b", false},
		{"attribute twice in the set", "CN=a", "CN=a+CN=a", false},
		{"escaped comma against two RDNs", `O=A\, O=B`, "O=A,O=B", false},
		{"whole DN in one CN", `CN=a\,O\=b`, "CN=a,O=b", false},
		{"plus in a value against a set", `CN=a\+OU\=b`, "CN=a+OU=b", false},
		{"hash text against hex", `CN=\#03020780`, "CN=#03020780", false},
		{"space inside a word", "CN=ac me", "CN=acme", false},
		{"look-alike", "CN=аcme", "CN=acme", false}, // Cyrillic а
		{"accent", "CN=é", "CN=e", false},
		{"space that carries a mark", "CN=a \u0301b", "CN=a b", false},
		{"BIT STRING by DER", "2.5.4.45=#03020780", "2.5.4.45=#03020680", false},
		{"NumericString is not a DirectoryString", "CN=#120131", "CN=1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := mustParse(t, tt.a), mustParse(t, tt.b)
			if got := a.Equal(b); got != tt.want {
				t.Errorf("Equal = %v\n%s\n%s", got, a.Canonical(), b.Canonical())
			}
			if a.Equal(b) != b.Equal(a) {
				t.Error("Equal is not symmetric")
			}
			if diff := Diff(a, b); (diff == "") != tt.want {
				t.Errorf("Diff = %q", diff)
			}
		})
	}
}

func TestEmptyEqualsNothing(t *testing.T) {
	var empty Name
	if empty.Equal(empty) || empty.Equal(mustParse(t, "CN=a")) || mustParse(t, "CN=a").Equal(empty) {
		t.Error("the empty DN equals something")
	}
	if !empty.IsEmpty() || empty.String() != "" || empty.Canonical() != "" {
		t.Error("the zero value is not the empty DN")
	}
}

func TestDiff(t *testing.T) {
	for _, tt := range []struct{ name, registered, presented, want string }{
		{"equal", "CN=a,O=b", "cn=A,o=B", ``},
		{"value", "CN=a,O=b", "CN=a,O=c", `RDN 2 from the left: registered O=b, certificate has O=c`},
		{"missing", "CN=a,OU=x,O=b", "CN=a,O=b", `RDN 2 from the left: the certificate lacks OU=x`},
		{"missing at the end", "CN=a,O=b", "CN=a", `RDN 2 from the left: the certificate lacks O=b`},
		{"added", "CN=a,O=b", "CN=a,OU=x,O=b", `RDN 2 from the left: the certificate also has OU=x`},
		{"set", "CN=a+OU=b,C=GB", "CN=a,C=GB", `RDN 1 from the left: registered OU=b+CN=a, certificate has CN=a`},
		{"reversed", "C=GB,O=b,CN=a", "CN=a,O=b,C=GB", `the registered RDNs are in reverse order: an RFC 4514 string begins with the certificate's last RDN; register "CN=a,O=b,C=GB"`},
		{"shorter and different", "CN=a,O=b,C=GB", "CN=a,C=DE", `RDN 2 from the left: registered O=b, certificate has C=DE`},
		{"shorter by two", "CN=a,O=b,C=GB", "CN=a", `RDN 2 from the left: registered O=b, certificate has nothing`},
		{"longer by two", "CN=a", "CN=a,O=b,C=GB", `RDN 2 from the left: registered nothing, certificate has O=b`},
		{"whole DN in one CN", "CN=a,O=b", `CN=CN=a\,O=b`, `RDN 1 from the left: registered CN=a, certificate has CN=CN=a\,O=b`},
		{"look-alike", "CN=acme", "CN=аcme", `RDN 1 from the left: registered CN=acme, certificate has CN=аcme (CN=\d0\b0cme)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Diff(mustParse(t, tt.registered), mustParse(t, tt.presented)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
	some := mustParse(t, "CN=a")
	if got := Diff(some, Name{}); got != "the certificate's subject is empty" {
		t.Error(got)
	}
	if got := Diff(Name{}, some); got != "no DN is registered" {
		t.Error(got)
	}
	if got := Diff(Name{}, Name{}); got != "no DN is registered" {
		t.Error(got)
	}
}
