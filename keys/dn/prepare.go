package dn

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// prepare is the string preparation of RFC 4518 §2 for caseIgnoreMatch: map,
// fold case, normalize to NFKC, prohibit, and handle insignificant spaces. It
// differs from the RFC in two places: the tables are those of today's Unicode
// instead of 3.2, and U+0000, which §2.2 maps to nothing, is refused, because
// what others read as the end of a string must not vanish here.
func prepare(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("the value contains NUL")
	}
	s = strings.Map(mapRune, s)
	// The second round folds what normalization has brought to light, such as
	// the letters inside a compatibility character; the first alone is no fixed
	// point (Unicode §3.13, identifier caseless match).
	for range 2 {
		s = norm.NFKC.String(cases.Fold().String(s))
	}
	for _, r := range s {
		if prohibited(r) {
			return "", fmt.Errorf("the value contains the prohibited character %U (RFC 4518 §2.4)", r)
		}
	}
	return squeeze(s), nil
}

// mapRune is RFC 4518 §2.2: every kind of space becomes SPACE, what is invisible
// becomes nothing (-1).
func mapRune(r rune) rune {
	switch {
	case '\t' <= r && r <= '\r', r == 0x85, unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp):
		return ' '
	case unicode.In(r, unicode.Cc, mappedToNothing):
		return -1
	}
	return r
}

// mappedToNothing is the list of RFC 4518 §2.2 without the controls (category Cc).
var mappedToNothing = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00AD, Hi: 0x00AD, Stride: 1}, {Lo: 0x034F, Hi: 0x034F, Stride: 1},
		{Lo: 0x06DD, Hi: 0x06DD, Stride: 1}, {Lo: 0x070F, Hi: 0x070F, Stride: 1},
		{Lo: 0x1806, Hi: 0x1806, Stride: 1}, {Lo: 0x180B, Hi: 0x180E, Stride: 1},
		{Lo: 0x200B, Hi: 0x200F, Stride: 1}, {Lo: 0x202A, Hi: 0x202E, Stride: 1},
		{Lo: 0x2060, Hi: 0x2063, Stride: 1}, {Lo: 0x206A, Hi: 0x206F, Stride: 1},
		{Lo: 0xFE00, Hi: 0xFE0F, Stride: 1}, {Lo: 0xFEFF, Hi: 0xFEFF, Stride: 1},
		{Lo: 0xFFF9, Hi: 0xFFFC, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1D173, Hi: 0x1D17A, Stride: 1},
		{Lo: 0xE0001, Hi: 0xE0001, Stride: 1}, {Lo: 0xE0020, Hi: 0xE007F, Stride: 1},
	},
	LatinOffset: 1,
}

// prohibited is RFC 4518 §2.4: unassigned (with the noncharacters), private use,
// surrogates, and the replacement character. The deprecated format characters
// have been mapped away before.
func prohibited(r rune) bool {
	return r == unicode.ReplacementChar || unicode.In(r, unicode.Cn, unicode.Co, unicode.Cs)
}

// squeeze is RFC 4518 §2.6.1: outer spaces do not count and inner runs count as
// one. A SPACE that carries a combining mark is a character, not a space.
func squeeze(s string) string {
	runes := []rune(s)
	var b strings.Builder
	pending := false
	for i, r := range runes {
		if r == ' ' && (i+1 == len(runes) || !unicode.Is(unicode.M, runes[i+1])) {
			pending = b.Len() > 0
			continue
		}
		if pending {
			b.WriteByte(' ')
			pending = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
