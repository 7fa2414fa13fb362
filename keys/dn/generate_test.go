package dn

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// generated is one attribute of a made-up name, as a certificate would hold it.
type generated struct {
	oid string
	tag int    // ASN.1 string type
	raw []byte // content octets
}

// generatedName is a name in the certificate's order.
type generatedName [][]generated

// numericString has a constant in encoding/asn1 since it is read as a string there.
const numericString = asn1.TagNumericString

// alphabets hold what has made readers of names disagree. Each can be written in
// the string types beside it.
var alphabets = []struct {
	tags   []int
	values []string
}{
	{[]int{asn1.TagPrintableString, asn1.TagUTF8String, asn1.TagIA5String, asn1.TagT61String, asn1.TagBMPString, tagUniversalString}, []string{
		"acme", "Acme", "A B", "a  b", " a", "a ", "A, B", "a+b", "O=Evil", "(x)", "a/b", "a:b", "it's", "1.2.3", "PSDGB-FCA-123",
	}},
	{[]int{asn1.TagUTF8String, asn1.TagIA5String, asn1.TagT61String, asn1.TagBMPString, tagUniversalString}, []string{
		"#a", "a#b", `"a"`, `a\b`, "a;b", "<a>", "a\nb", "a\tb", "a_b", "a*b", "a@b.example", "\x1b[31m", "#0c0161", `\`, "a=b,c", "%41", "\x7f",
	}},
	{[]int{asn1.TagUTF8String, asn1.TagBMPString, tagUniversalString}, []string{
		"Müller", "Straße", "Lučić", "e\u0301", "\u00e9", "ΟΔΟΣ", "аcme", "株式会社", "ＡＣＭＥ", "ﬁn", "a\u00a0b", "ac\u00adme", "a\u200bb", "\u202eevil", "İstanbul", "a\u2028b",
	}},
	{[]int{asn1.TagUTF8String, tagUniversalString}, []string{"🏦", "𝐀cme", "a\U000e0041b"}},
	{[]int{asn1.TagT61String}, []string{"M\xfcller", "\xe9"}}, // octets, not UTF-8
	{[]int{numericString}, []string{"12 34", "0123"}},
	{[]int{asn1.TagUTF8String, asn1.TagBMPString}, []string{"", "  ", "\ue000", "a\x00b", "\u0378"}},
	{[]int{asn1.TagBMPString}, []string{"🏦"}}, // surrogates, which UCS-2 does not have
}

// unnamed are types that openssl or certbound or both have no name for.
var unnamed = append([]string{"1.3.6.1.4.1.99999.1", "2.25.1"}, namedByOpenssl...)

// namedByOpenssl are telephoneNumber, which has a matching rule of its own, role
// and countryCode3c (c3).
var namedByOpenssl = []string{"2.5.4.20", "2.5.4.72", "2.5.4.98"}

// generator makes names from a seed, the same ones in every run.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 4514))} }

func pick[T any](g generator, from []T) T { return from[g.IntN(len(from))] }

func (g generator) name() generatedName {
	n := make(generatedName, 1+g.IntN(3))
	for i := range n {
		for range 1 + g.IntN(3)*g.IntN(2) {
			n[i] = append(n[i], g.attribute())
		}
	}
	return n
}

func (g generator) attribute() generated {
	oid := pick(g, attributeTypes).oid
	if g.IntN(40) == 0 {
		oid = pick(g, unnamed)
	}
	// The plain alphabets oftener than those nobody should use.
	alphabet := pick(g, alphabets[:3])
	if g.IntN(32) == 0 {
		alphabet = pick(g, alphabets[3:])
	}
	tag := pick(g, alphabet.tags)
	return generated{oid, tag, encodeText(tag, pick(g, alphabet.values))}
}

// encodeText writes the content octets of a string type. Text for an 8-bit type
// is octets already.
func encodeText(tag int, text string) (raw []byte) {
	switch tag {
	case asn1.TagBMPString:
		for _, unit := range utf16.Encode([]rune(text)) {
			raw = binary.BigEndian.AppendUint16(raw, unit)
		}
	case tagUniversalString:
		for _, r := range text {
			raw = binary.BigEndian.AppendUint32(raw, uint32(r))
		}
	default:
		raw = []byte(text)
	}
	return raw
}

// der writes the name as DER, sets sorted.
func (n generatedName) der(t testing.TB) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, set := range n {
			var pairs []string
			for _, a := range set {
				pairs = append(pairs, string(a.der(t)))
			}
			slices.Sort(pairs)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.Join(pairs, ""))) })
		}
	})
	return b.BytesOrPanic()
}

func (a generated) der(t testing.TB) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(oidBytes(t, a.oid)) })
		b.AddASN1(cbasn1.Tag(a.tag), func(b *cryptobyte.Builder) { b.AddBytes(a.raw) })
	})
	return b.BytesOrPanic()
}

// clone is a copy whose attributes may be changed.
func (n generatedName) clone() generatedName {
	c := make(generatedName, len(n))
	for i := range n {
		c[i] = slices.Clone(n[i])
	}
	return c
}

// mutations make another name of one, whatever the preparation of values does.
var mutations = map[string]func(g generator, n generatedName) generatedName{
	"another letter": func(g generator, n generatedName) generatedName {
		set := pick(g, n)
		i := g.IntN(len(set))
		set[i].raw = append(slices.Clone(set[i].raw), encodeText(set[i].tag, "7")...)
		return n
	},
	"another type": func(g generator, n generatedName) generatedName {
		set := pick(g, n)
		set[g.IntN(len(set))].oid = "1.2.3.4" // a type that is not drawn
		return n
	},
	"an RDN less":  func(g generator, n generatedName) generatedName { return slices.Delete(n, 0, 1) },
	"an RDN twice": func(g generator, n generatedName) generatedName { return append(n, n[len(n)-1]) },
	"an attribute more": func(g generator, n generatedName) generatedName {
		i := g.IntN(len(n))
		n[i] = append(n[i], marker)
		return n
	},
	"two RDNs as one set": func(_ generator, n generatedName) generatedName {
		if len(n) == 1 {
			return append(n, []generated{marker})
		}
		return append(n[:len(n)-2], append(n[len(n)-2], n[len(n)-1]...))
	},
	"one set as two RDNs": func(_ generator, n generatedName) generatedName {
		last := n[len(n)-1]
		return append(n[:len(n)-1], append(last[1:], marker), last[:1])
	},
	"an RDN elsewhere": func(_ generator, n generatedName) generatedName {
		return append(generatedName{{marker}}, n[1:]...)
	},
}

// marker is an attribute that is not drawn.
var marker = generated{"1.2.3.4", asn1.TagUTF8String, []byte("zz")}

func oidBytes(t testing.TB, oid string) []byte {
	t.Helper()
	parsed, err := x509.ParseOID(oid)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := parsed.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
