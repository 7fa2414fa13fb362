package dn

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// value is an attribute value: a text, or for anything that is not a
// DirectoryString or IA5String, opaque DER.
type value struct {
	text      string // as written, before preparation
	isText    bool
	der       []byte // whole element; nil when the value was registered as text
	canonical string // escaped prepared text, or # and the DER in hex
}

var errEmptyValue = errors.New("the value is empty")

// newText makes a value from registered text. A value of nothing but spaces is
// a mistake in a registration; a certificate that really has one can be matched
// by #hex.
func newText(text string) (value, error) {
	prepared, err := prepare(text)
	if err != nil {
		return value{}, err
	}
	if prepared == "" {
		return value{}, errEmptyValue
	}
	return value{text: text, isText: true, canonical: escape(prepared)}, nil
}

// newDER makes a value from one whole DER element.
func newDER(der []byte) (value, error) {
	text, isText, err := decodeString(der)
	if err != nil {
		return value{}, err
	}
	if !isText {
		return value{der: der, canonical: hexForm(der)}, nil
	}
	prepared, err := prepare(text)
	if err != nil {
		return value{}, err
	}
	return value{text: text, isText: true, der: der, canonical: escape(prepared)}, nil
}

// string writes the value for RFC 4514. Text is used where it reads back: the
// type has a name and the value is not empty.
func (v value) string(typeKnown bool) string {
	if v.isText && (v.der == nil || typeKnown && v.canonical != "") {
		return escape(v.text)
	}
	return hexForm(v.der)
}

func hexForm(der []byte) string { return "#" + hex.EncodeToString(der) }

// escape writes text as an RFC 4514 §2.4 string. Characters that do not print
// become escaped octets, so that a name cannot forge a line of a log.
func escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		last := i+utf8.RuneLen(r) == len(text)
		switch {
		case strings.ContainsRune(`"+,;<>\`, r),
			i == 0 && (r == ' ' || r == '#'),
			last && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			writeOctets(&b, string(r))
		}
	}
	return b.String()
}

// escapeASCII is escape with everything outside ASCII as escaped octets: what
// tells look-alike characters apart.
func escapeASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		writeOctets(&b, string(r))
	}
	return b.String()
}

func writeOctets(b *strings.Builder, s string) {
	for _, octet := range []byte(s) {
		b.WriteByte('\\')
		b.WriteString(hex.EncodeToString([]byte{octet}))
	}
}
