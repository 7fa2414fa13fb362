package dn

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDER bounds the work one certificate can ask for.
const maxDER = 8 << 10

var errNotName = errors.New("dn: not the DER of a distinguished name (RFC 5280 §4.1.2.4)")

// FromDER reads the name in a certificate's RawSubject or RawIssuer. The empty
// sequence is the empty Name without an error: such certificates exist, and the
// name in them equals nothing.
func FromDER(raw []byte) (Name, error) {
	if len(raw) > maxDER {
		return Name{}, fmt.Errorf("dn: a name of %d bytes of DER is over the limit of %d", len(raw), maxDER)
	}
	sequence, rest, err := readElement(raw, asn1.TagSequence)
	if err != nil || len(rest) > 0 {
		return Name{}, errNotName
	}
	var rdns []rdn
	for rest = sequence.Bytes; len(rest) > 0; {
		var set asn1.RawValue
		if set, rest, err = readElement(rest, asn1.TagSet); err != nil {
			return Name{}, errNotName
		}
		if len(rdns) == maxRDNs {
			return Name{}, errTooManyRDNs
		}
		r, err := readSet(set.Bytes)
		if err != nil {
			return Name{}, fmt.Errorf("dn: RDN %d of the certificate: %w", len(rdns)+1, err)
		}
		rdns = append(rdns, r)
	}
	slices.Reverse(rdns) // RFC 4514 §2.1
	return newName(rdns), nil
}

func readSet(rest []byte) (rdn, error) {
	if len(rest) == 0 {
		return nil, errors.New("it has no attribute")
	}
	var attributes []attribute
	for len(rest) > 0 {
		pair, next, err := readElement(rest, asn1.TagSequence)
		if err != nil {
			return nil, err
		}
		a, err := readAttribute(pair.Bytes)
		if err != nil {
			return nil, err
		}
		attributes, rest = append(attributes, a), next
	}
	return newRDN(attributes), nil
}

// readAttribute reads exactly a type and a value. encoding/asn1 and crypto/x509
// tolerate more elements after them; an identity must not.
func readAttribute(pair []byte) (attribute, error) {
	typ, rest, err := readElement(pair, asn1.TagOID)
	if err != nil {
		return attribute{}, err
	}
	var oid x509.OID
	if err := oid.UnmarshalBinary(typ.Bytes); err != nil {
		return attribute{}, errors.New("malformed attribute type")
	}
	var element asn1.RawValue
	rest, err = asn1.Unmarshal(rest, &element)
	if err != nil || len(rest) > 0 {
		return attribute{}, fmt.Errorf("attribute %s does not have exactly one value", oid)
	}
	v, err := newDER(element.FullBytes)
	if err != nil {
		name, _ := nameOf(oid.String())
		return attribute{}, fmt.Errorf("%s: %w", name, err)
	}
	return attribute{oid: oid.String(), value: v}, nil
}

// readElement reads one universal element of the given tag.
func readElement(b []byte, tag int) (element asn1.RawValue, rest []byte, err error) {
	rest, err = asn1.Unmarshal(b, &element)
	if err != nil {
		return element, nil, fmt.Errorf("malformed DER: %w", err)
	}
	constructed := tag != asn1.TagOID
	if element.Class != asn1.ClassUniversal || element.Tag != tag || element.IsCompound != constructed {
		return element, nil, errors.New("malformed DER: unexpected tag")
	}
	return element, rest, nil
}

// tagUniversalString has no constant in encoding/asn1.
const tagUniversalString = 28

// decodeString returns the text of a DirectoryString or IA5String element, and
// false for an element of another type. TeletexString has no character set that
// its writers agree on: outside ASCII it counts as opaque.
func decodeString(der []byte) (text string, isText bool, err error) {
	var e asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &e); err != nil || len(rest) > 0 {
		return "", false, errors.New("the value is not one DER element")
	}
	if e.Class != asn1.ClassUniversal || e.IsCompound {
		return "", false, nil
	}
	switch e.Tag {
	case asn1.TagUTF8String:
		text, isText = string(e.Bytes), utf8.Valid(e.Bytes)
	case asn1.TagPrintableString, asn1.TagIA5String:
		text, isText = string(e.Bytes), isASCII(e.Bytes)
	case asn1.TagBMPString:
		text, isText = decodeBMP(e.Bytes)
	case tagUniversalString:
		text, isText = decodeUniversal(e.Bytes)
	case asn1.TagT61String:
		return string(e.Bytes), isASCII(e.Bytes), nil
	default:
		return "", false, nil
	}
	if !isText {
		return "", false, errors.New("the value is not valid for its string type")
	}
	return text, true, nil
}

func isASCII(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c >= utf8.RuneSelf })
}

// decodeBMP reads UCS-2, in which surrogates do not occur.
func decodeBMP(b []byte) (string, bool) {
	var runes []rune
	for ; len(b) >= 2; b = b[2:] {
		r := rune(binary.BigEndian.Uint16(b))
		if utf16.IsSurrogate(r) {
			return "", false
		}
		runes = append(runes, r)
	}
	return string(runes), len(b) == 0
}

// decodeUniversal reads UCS-4.
func decodeUniversal(b []byte) (string, bool) {
	var runes []rune
	for ; len(b) >= 4; b = b[4:] {
		u := binary.BigEndian.Uint32(b)
		if u > utf8.MaxRune || !utf8.ValidRune(rune(u)) {
			return "", false
		}
		runes = append(runes, rune(u))
	}
	return string(runes), len(b) == 0
}
