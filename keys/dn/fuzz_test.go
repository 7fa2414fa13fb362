package dn

import (
	"encoding/asn1"
	"errors"
	"testing"
)

// A name that is read must be written so that it reads back as itself, and its
// canonical form must be a fixed point.
func checkRoundTrip(t *testing.T, n Name) {
	t.Helper()
	text := n.String()
	if n.IsEmpty() || len(text) > maxString {
		return
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("%q is written as %q, which does not parse: %v", n.Canonical(), text, err)
	}
	if !again.Equal(n) {
		t.Fatalf("%q reads back as %q", n.Canonical(), again.Canonical())
	}
	if diff := Diff(n, again); diff != "" {
		t.Fatalf("equal names differ: %s", diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`CN=a,O=b`, `OU=a+CN=b,DC=c`, `CN=James \"Jim\" Smith\, III`, `CN=Before\0dAfter`, `CN=Lu\C4\8Di\C4\87`,
		`1.3.6.1.4.1.1466.0=#04024869`, `CN=#0c0161`, `O=A\, B`, `CN=\ a\ `, `CN=a;O=b`, `CN="a"`, `OID.2.5.4.3=a`, `CN=,`, `=`, `CN=a\`,
		"CN=\u0345\u00ad\u1e9e", `CN=#2480`, `CN=a\ \\ `,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if errors.Is(err, errReadersDisagree) {
			t.Fatalf("go-ldap and split read %q differently", s)
		}
		if err != nil {
			return
		}
		if n.IsEmpty() {
			t.Fatalf("%q is accepted as the empty DN", s)
		}
		checkRoundTrip(t, n)
	})
}

func FuzzFromDER(f *testing.F) {
	for _, tt := range subjects {
		raw, err := asn1.Marshal(tt.subject)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add(unhex(f, "3016 3114 3008 060355040b 0c01 62 3008 0603550403 1401 e9"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n, err := FromDER(raw); err == nil {
			checkRoundTrip(t, n)
		}
	})
}

func FuzzPrepare(f *testing.F) {
	for _, s := range []string{"a  B", "Straße", "\u0345", "\u00a8", "ﬁ", "İ", "\u1e9e", "\ufdfa", "ᾷ", "\u3000\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := prepare(s)
		if err != nil {
			return
		}
		twice, err := prepare(once)
		if err != nil || twice != once {
			t.Fatalf("%+q is prepared to %+q, then to %+q (%v)", s, once, twice, err)
		}
	})
}
