package dn

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// texts are values as an application has them: any characters, and oftener those
// that mean something in a DN.
var texts = rapid.OneOf(
	rapid.String(),
	rapid.StringOf(rapid.RuneFrom([]rune(` ,+"\<>;=#aA1éß`+"\u0301\u00a0\n"))),
	rapid.SampledFrom([]string{"Acme", "acme  ltd", "Straße", "A, B", "#1"}),
)

// drawName draws a name as RFC 4514 string by writing attributes one by one, not
// with String, and returns it with its parts.
func drawName(t *rapid.T) (string, [][]rawPair) {
	rdns := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(drawPair), 1, 3), 1, 4).Draw(t, "rdns")
	return join(rdns), rdns
}

func drawPair(t *rapid.T) rawPair {
	typ := rapid.SampledFrom(attributeTypes).Draw(t, "type")
	name := rapid.SampledFrom(append(slices.Clone(typ.names), typ.oid)).Draw(t, "name")
	text := texts.Filter(func(s string) bool {
		_, err := newText(s)
		return err == nil && len(s) < 64
	}).Draw(t, "text")
	return rawPair{name, hexEscape(text)}
}

// hexEscape writes every octet as an escaped one: RFC 4514 allows it, and nothing
// can be wrong about it.
func hexEscape(text string) string {
	var b strings.Builder
	writeOctets(&b, text)
	return b.String()
}

func join(rdns [][]rawPair) string {
	var sets []string
	for _, pairs := range rdns {
		var all []string
		for _, p := range pairs {
			all = append(all, p.typ+"="+p.value)
		}
		sets = append(sets, strings.Join(all, "+"))
	}
	return strings.Join(sets, ",")
}

func parsed(t *rapid.T, s string) Name {
	n, err := Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return n
}

func TestStringReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := drawName(t)
		n := parsed(t, s)
		if text := n.String(); len(text) <= maxString {
			again := parsed(t, text)
			if !again.Equal(n) || again.String() != text {
				t.Fatalf("%q is written %q, read back as %q", s, text, again)
			}
		}
	})
}

// TestEqualIsAnEquivalence over three names that are likely to be equal: spelled
// from the same parts in other ways.
func TestEqualIsAnEquivalence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, rdns := drawName(t)
		a, b, c := parsed(t, s), parsed(t, join(respell(t, rdns))), parsed(t, join(respell(t, rdns)))
		switch {
		case !a.Equal(a):
			t.Fatalf("%q does not equal itself", a)
		case !a.Equal(b) || !b.Equal(a) || !b.Equal(c) || !a.Equal(c):
			t.Fatalf("%q, %q and %q are spellings of one name", a, b, c)
		case a.Canonical() != b.Canonical():
			t.Fatalf("%q and %q are equal and have the canonical forms %q and %q", a, b, a.Canonical(), b.Canonical())
		case Diff(a, b) != "":
			t.Fatalf("a difference between %q and %q: %s", a, b, Diff(a, b))
		}
	})
}

// respell writes the same name in another way: other names of the types, the set
// in another order, values in another case, spaces added where they do not count.
func respell(t *rapid.T, rdns [][]rawPair) [][]rawPair {
	var out [][]rawPair
	for _, pairs := range rdns {
		pairs = rapid.Permutation(pairs).Draw(t, "order")
		again := make([]rawPair, len(pairs))
		for i, p := range pairs {
			oid, _, err := resolveType(p.typ)
			if err != nil {
				t.Fatal(err)
			}
			names := attributeTypes[slices.IndexFunc(attributeTypes, func(a attributeType) bool { return a.oid == oid })].names
			name := rapid.SampledFrom(append(slices.Clone(names), strings.ToUpper(names[0]), strings.ToLower(names[0]), oid)).Draw(t, "name")
			text, err := unescape(p.value)
			if err != nil {
				t.Fatal(err)
			}
			again[i] = rawPair{" " + name + " ", " " + hexEscape(respellText(t, text))}
		}
		out = append(out, again)
	}
	return out
}

func respellText(t *rapid.T, s string) string {
	// A space that carries a combining mark is a character (RFC 4518 §2.6).
	marked := strings.ContainsFunc(norm.NFKC.String(s), func(r rune) bool { return unicode.Is(unicode.M, r) })
	if !marked && rapid.Bool().Draw(t, "spaces") {
		s = "  " + strings.ReplaceAll(s, " ", "  ") + " "
	}
	if rapid.Bool().Draw(t, "case") {
		// ASCII only: what upper case does to others is not the inverse of folding.
		s = strings.Map(func(r rune) rune {
			if r < 0x80 {
				return unicode.ToUpper(r)
			}
			return r
		}, s)
	}
	return s
}

func TestChangedNameIsAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, rdns := drawName(t)
		n := parsed(t, s)
		i := rapid.IntRange(0, len(rdns)-1).Draw(t, "rdn")
		changed := slices.Clone(rdns)
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0: // one letter more
			changed[i] = slices.Clone(changed[i])
			changed[i][0].value += "z"
		case 1: // an attribute more
			changed[i] = append(slices.Clone(changed[i]), rawPair{"houseIdentifier", "z"})
		case 2: // an RDN more
			changed = slices.Insert(changed, i, []rawPair{{"houseIdentifier", "z"}})
		case 3: // an RDN less
			changed = slices.Delete(changed, i, i+1)
		}
		if len(changed) == 0 {
			return
		}
		if other := parsed(t, join(changed)); other.Equal(n) || Diff(n, other) == "" {
			t.Fatalf("%q equals %q", other, n)
		}
	})
}
