package thumbprint_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
)

// example is the text of RFC 8705 Appendix A's certificate.
const example = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

// RFC 8705 Appendix A: certificate, and the cnf made of it.
func TestAppendixA(t *testing.T) {
	data, err := os.ReadFile("testdata/rfc8705-appendix-a.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := thumbprint.Of(cert).String(); got != example {
		t.Errorf("got %s, want %s", got, example)
	}
}

func TestOfIsSHA256OfTheWholeCertificate(t *testing.T) {
	pair := keystest.SelfSigned(t)
	sum := sha256.Sum256(pair.Cert.Raw)
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	got := thumbprint.Of(pair.Cert)
	if got.String() != want || len(want) != thumbprint.Length {
		t.Errorf("got %s, want %s", got, want)
	}
	// Same name, same key, another certificate: another thumbprint.
	renewed := keystest.SelfSigned(t, keystest.WithKey(pair.Key))
	if got.Equal(thumbprint.Of(renewed.Cert)) {
		t.Error("a renewed certificate has the old thumbprint")
	}
}

func TestNothingEqualsNothing(t *testing.T) {
	none := thumbprint.Of(nil)
	if !none.IsZero() || !thumbprint.Of(&x509.Certificate{}).IsZero() {
		t.Error("no certificate has a thumbprint")
	}
	if again := thumbprint.Of(nil); none.Equal(again) {
		t.Error("the absence of a certificate satisfies a binding")
	}
	one, err := thumbprint.Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	same, err := thumbprint.Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	if !one.Equal(same) || one.IsZero() || one.Equal(none) || none.Equal(one) {
		t.Error("equality is wrong")
	}
	// A bit anywhere makes the difference.
	for i := range one {
		other := one
		other[i] ^= 0x80
		if one.Equal(other) {
			t.Errorf("byte %d is not compared", i)
		}
	}
}

func TestParse(t *testing.T) {
	var all [sha256.Size]byte
	for i := range all {
		all[i] = 0xFB // "-" and "_" in the URL alphabet
	}
	std := base64.RawStdEncoding.EncodeToString(all[:])
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"good", example, true},
		{"good, all of one byte", base64.RawURLEncoding.EncodeToString(all[:]), true},
		{"empty", "", false},
		{"short", example[:42], false},
		{"long", example + "A", false},
		{"padded", example + "=", false},
		{"padded within the length", example[:42] + "=", false},
		{"standard alphabet", std, false},
		{"hex", hex.EncodeToString(all[:]), false},
		{"SHA-1 sized", base64.RawURLEncoding.EncodeToString(all[:20]), false},
		{"leading blank", " " + example[:42], false},
		{"line break within the length", example[:20] + "\n" + example[21:], false},
		{"carriage returns within the length", example[:41] + "\r\r", false},
		{"not ASCII", "é" + example[:41], false},
		{"NUL", "\x00" + example[:42], false},
		// The last character carries four bits; its two low ones must be zero.
		{"stray trailing bits", example[:42] + "1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := thumbprint.Parse(tt.in)
			if tt.ok {
				if err != nil || got.String() != tt.in {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			if !errors.Is(err, thumbprint.ErrMalformed) || !got.IsZero() {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

// Whatever Parse accepts has exactly one text.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add(example + "=")
	f.Add(example[:42] + "\n")
	f.Add(strings.Repeat("_", thumbprint.Length))
	f.Add(strings.Repeat("00", sha256.Size))
	f.Fuzz(func(t *testing.T, in string) {
		got, err := thumbprint.Parse(in)
		if err != nil {
			if !got.IsZero() {
				t.Errorf("%q: an error and a value", in)
			}
			return
		}
		if got.String() != in {
			t.Errorf("%q reads as %q", in, got)
		}
		raw, err := base64.RawURLEncoding.DecodeString(in)
		if err != nil || !bytes.Equal(raw, got[:]) {
			t.Errorf("%q: %x, %v", in, raw, err)
		}
	})
}
