package dn

import (
	"strings"
	"testing"
)

func mustParse(t testing.TB, s string) Name {
	t.Helper()
	n, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return n
}

func TestParseCanonicalAndString(t *testing.T) {
	for _, tt := range []struct{ name, in, canonical, text string }{
		// RFC 4514 §4, every example.
		{"RFC 4514 §4 first", `UID=jsmith,DC=example,DC=net`,
			`0.9.2342.19200300.100.1.1=jsmith,0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.25=net`, `UID=jsmith,DC=example,DC=net`},
		{"RFC 4514 §4 multi-valued", `OU=Sales+CN=J.  Smith,DC=example,DC=net`,
			`2.5.4.11=sales+2.5.4.3=j. smith,0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.25=net`, `OU=Sales+CN=J.  Smith,DC=example,DC=net`},
		{"RFC 4514 §4 escaped quotes and comma", `CN=James \"Jim\" Smith\, III,DC=example,DC=net`,
			`2.5.4.3=james \"jim\" smith\, iii,0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.25=net`, `CN=James \"Jim\" Smith\, III,DC=example,DC=net`},
		{"RFC 4514 §4 carriage return", `CN=Before\0dAfter,DC=example,DC=net`,
			`2.5.4.3=before after,0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.25=net`, `CN=Before\0dAfter,DC=example,DC=net`},
		{"RFC 4514 §4 hex of an OCTET STRING", `1.3.6.1.4.1.1466.0=#04024869`, `1.3.6.1.4.1.1466.0=#04024869`, `1.3.6.1.4.1.1466.0=#04024869`},
		{"RFC 4514 §4 UTF-8 in escaped octets", `CN=Lu\C4\8Di\C4\87`, `2.5.4.3=lučić`, `CN=Lučić`},

		{"spaces around separators", ` CN = a , O = b + OU = c `, `2.5.4.3=a,2.5.4.10=b+2.5.4.11=c`, `CN=a,O=b+OU=c`},
		{"set is sorted", `CN=b+OU=a+CN=a`, `2.5.4.11=a+2.5.4.3=a+2.5.4.3=b`, `OU=a+CN=a+CN=b`},
		{"escaped comma is one RDN", `O=A\, B`, `2.5.4.10=a\, b`, `O=A\, B`},
		{"all specials", `CN=\#\ a\+\;\<\>\=\\\20`, `2.5.4.3=\# a\+\;\<\>=\\`, `CN=\# a\+\;\<\>=\\\ `},
		{"equals sign in a value", `CN=O=Evil`, `2.5.4.3=o=evil`, `CN=O=Evil`},
		{"hash inside a value", `CN=a#1`, `2.5.4.3=a#1`, `CN=a#1`},
		{"hex of a UTF8String", `CN=#0c0161`, `2.5.4.3=a`, `CN=a`},
		{"hex of a PrintableString of an unnamed type", `2.5.4.98=#1303475242`, `2.5.4.98=grb`, `2.5.4.98=#1303475242`},
		{"hex between spaces", `CN= #0c0161 ,O=b`, `2.5.4.3=a,2.5.4.10=b`, `CN=a,O=b`},
		{"hex of a malformed inner element", `CN=#300d30303030303030303030303030`, `2.5.4.3=#300d30303030303030303030303030`, `CN=#300d30303030303030303030303030`},
		{"hex of an empty string", `OU=#0c00`, `2.5.4.11=`, `OU=#0c00`},
		{"hex of a blank string", `OU=#0c0120`, `2.5.4.11=`, `OU=#0c0120`},
		{"hex of a BIT STRING", `2.5.4.45=#03020780`, `2.5.4.45=#03020780`, `2.5.4.45=#03020780`},
		{"hex of a constructed string", `CN=#2c030c0161`, `2.5.4.3=#2c030c0161`, `CN=#2c030c0161`},
		{"hex of non-ASCII TeletexString", `CN=#1401e9`, `2.5.4.3=#1401e9`, `CN=#1401e9`},
		{"named type in dotted form", `2.5.4.97=PSDGB-FCA-123`, `2.5.4.97=psdgb-fca-123`, `organizationIdentifier=PSDGB-FCA-123`},
		{"named type in dotted form with hex", `2.5.4.97=#0c0d50534447422d4643412d313233`, `2.5.4.97=psdgb-fca-123`, `organizationIdentifier=PSDGB-FCA-123`},
		{"Open Banking Brasil", `UID=67c57882,CN=mycn.bank.example,OU=497e1ffe,O=Banco,L=Brasilia,ST=DF,C=BR,serialNumber=1,jurisdictionCountryName=BR,businessCategory=Government Entity`,
			`0.9.2342.19200300.100.1.1=67c57882,2.5.4.3=mycn.bank.example,2.5.4.11=497e1ffe,2.5.4.10=banco,2.5.4.7=brasilia,2.5.4.8=df,2.5.4.6=br,2.5.4.5=1,1.3.6.1.4.1.311.60.2.1.3=br,2.5.4.15=government entity`,
			`UID=67c57882,CN=mycn.bank.example,OU=497e1ffe,O=Banco,L=Brasilia,ST=DF,C=BR,serialNumber=1,jurisdictionCountryName=BR,businessCategory=Government Entity`},
		{"names without case", `commonname=a,ORGANIZATIONNAME=b,sn=c`, `2.5.4.3=a,2.5.4.10=b,2.5.4.4=c`, `CN=a,O=b,SN=c`},
		{"arcs of any size", `2.25.329800735698586629295641978511506172918=#0500`, `2.25.329800735698586629295641978511506172918=#0500`, `2.25.329800735698586629295641978511506172918=#0500`},
		{"line break cannot forge a log line", `CN=a\0Ab`, `2.5.4.3=a b`, `CN=a\0ab`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := mustParse(t, tt.in)
			if n.Canonical() != tt.canonical {
				t.Errorf("Canonical:\n got %s\nwant %s", n.Canonical(), tt.canonical)
			}
			if n.String() != tt.text {
				t.Errorf("String:\n got %s\nwant %s", n.String(), tt.text)
			}
			if again := mustParse(t, n.String()); !again.Equal(n) {
				t.Errorf("%q reads back as %q", n, again)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", `dn: the DN is empty`},
		{"blank", "  ", `dn: the DN is empty`},
		{"too long", "CN=" + strings.Repeat("a", 2046), `dn: a DN of 2049 bytes is over the limit of 2048`},
		{"too many RDNs", strings.Repeat("CN=a,", 64) + "CN=a", `dn: more than 64 RDNs`},
		{"invalid UTF-8", "CN=\xff", `dn: the DN is not valid UTF-8`},
		{"raw NUL", "CN=a\x00b", `dn: the DN contains NUL`},
		{"escaped NUL", `CN=a\00b`, `dn: CN: the value contains NUL`},
		{"NUL in hex", `CN=#0c03610062`, `dn: CN: the value contains NUL`},
		{"no pair", "acme", `dn: "acme" is not a type=value pair`},
		{"trailing comma", "CN=a,", `dn: "" is not a type=value pair`},
		{"trailing plus", "CN=a+", `dn: "" is not a type=value pair`},
		{"leading comma", ",CN=a", `dn: "" is not a type=value pair`},
		{"doubled comma", "CN=a,,O=b", `dn: "" is not a type=value pair`},
		{"trailing garbage", "CN=a,garbage", `dn: "garbage" is not a type=value pair`},
		{"unescaped comma in a value", "O=A, B", `dn: " B" is not a type=value pair`},
		{"semicolon", "CN=a;O=b", `dn: ';' does not separate RDNs; inside a value write it as \; (RFC 4514 §2.4)`},
		{"quoted", `CN="a"`, `dn: quoted values are not supported; escape special characters with \ (RFC 4514 §2.4)`},
		{"angle bracket", `CN=<a`, `dn: CN: not an RFC 4514 value: got unescaped character: '<'`},
		{"empty value", "CN=,O=b", `dn: CN: the value is empty`},
		{"blank value", `CN=  ,O=b`, `dn: CN: the value is empty`},
		{"escaped blank value", `CN=\20,O=b`, `dn: CN: the value is empty`},
		{"invisible value", `CN=\E2\80\8B`, `dn: CN: the value is empty`},
		{"missing type", "=a", `dn: an attribute type is missing before "="`},
		{"OID prefix", "OID.2.5.4.3=a", `dn: attribute type "OID.2.5.4.3": write the OID without the prefix "OID." (RFC 4514 §2.3)`},
		{"oid prefix", "oid.2.5.4.3=a", `dn: attribute type "oid.2.5.4.3": write the OID without the prefix "OID." (RFC 4514 §2.3)`},
		{"unknown name", "favouriteDrink=a", `dn: attribute type "favouriteDrink" is not known; write its dotted OID and the value as #hex (RFC 4514 §2.4)`},
		{"line break before a type", "CN=a,\nO=b", `dn: attribute type "\nO" is not known; write its dotted OID and the value as #hex (RFC 4514 §2.4)`},
		{"escape in a type", `C\4E=a`, `dn: "C\\4E=a" is not a type=value pair`},
		{"leading zero in an OID", "2.5.04.3=a", `dn: attribute type "2.5.04.3" is not a dotted OID`},
		{"one arc", "2=#0500", `dn: attribute type "2" is not a dotted OID`},
		{"arc that does not exist", "3.1=#0500", `dn: attribute type "3.1" is not a dotted OID`},
		{"text for an unnamed type", "2.5.4.98=a", `dn: 2.5.4.98: the value of a type without a name is written as # and the hex of its DER (RFC 4514 §2.4)`},
		{"escape at the end", `CN=a\`, `dn: CN: not an RFC 4514 value: got corrupted escaped character: 'a\'`},
		{"half an octet", `CN=a\4`, `dn: CN: not an RFC 4514 value: failed to decode escaped character: encoding/hex: invalid byte: 4`},
		{"escaped octets are not UTF-8", `CN=\C3`, `dn: CN: the escaped octets are not valid UTF-8`},
		{"hex that is not DER", "CN=#0c0561", `dn: CN: the value is not one DER element`},
		{"hex with trailing octets", "CN=#0c016100", `dn: CN: the value is not one DER element`},
		{"hex with a long length", "CN=#0c810161", `dn: CN: the value is not one DER element`},
		{"hex with an enormous length", "CN=#0c847fffffff61", `dn: CN: the value is not one DER element`},
		{"odd hex", "CN=#0c016", `dn: CN: the value after # is not hex`},
		{"text after hex", "CN=#0c0161 b", `dn: CN: the value after # is not hex`},
		{"no hex", "CN=#", `dn: CN: the value is not one DER element`},
		{"replacement character", "CN=a\uFFFD", `dn: CN: the value contains the prohibited character U+FFFD (RFC 4518 §2.4)`},
		{"private use", "CN=\uE000", `dn: CN: the value contains the prohibited character U+E000 (RFC 4518 §2.4)`},
		{"noncharacter", "CN=\uFDD0", `dn: CN: the value contains the prohibited character U+FDD0 (RFC 4518 §2.4)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := Parse(tt.in)
			if err == nil {
				t.Fatalf("accepted as %q", n)
			}
			if err.Error() != tt.want {
				t.Errorf("\n got %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestTypesAreUnique(t *testing.T) {
	names := 0
	for _, typ := range attributeTypes {
		names += len(typ.names)
		if n := mustParse(t, typ.oid+"=a"); n.String() != typ.names[0]+"=a" {
			t.Errorf("%s is written as %q", typ.oid, n)
		}
	}
	if len(oidByName) != names || len(nameByOID) != len(attributeTypes) {
		t.Error("a name or an OID stands in the table twice")
	}
}
