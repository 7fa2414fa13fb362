package dn

import (
	"errors"
	"fmt"
	"strings"
)

// rawPair is a type and a value as they stand in the string: the type without
// the spaces around it, the value with spaces and escapes.
type rawPair struct{ typ, value string }

// split finds the RDNs and pairs of an RFC 4514 string by its unescaped
// separators. It knows no escape but "the next octet is part of the value",
// which is all that RFC 4514 §3 needs to find the end of a value.
func split(s string) ([][]rawPair, error) {
	var rdns [][]rawPair
	var pairs []rawPair
	for {
		typ, rest, found := strings.Cut(s, "=")
		if !found || strings.ContainsAny(typ, ",+;\\") {
			return nil, fmt.Errorf("dn: %q is not a type=value pair", firstPair(s))
		}
		if typ = strings.Trim(typ, " "); typ == "" {
			return nil, errors.New("dn: an attribute type is missing before \"=\"")
		}
		end, err := valueEnd(rest)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, rawPair{typ, rest[:end]})
		if end == len(rest) {
			return append(rdns, pairs), nil
		}
		if rest[end] == ',' {
			rdns, pairs = append(rdns, pairs), nil
			if len(rdns) == maxRDNs {
				return nil, errTooManyRDNs
			}
		}
		s = rest[end+1:]
	}
}

// valueEnd returns where the value that s begins with ends: at an unescaped
// comma or plus sign, or at the end.
func valueEnd(s string) (int, error) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++ // a lone backslash at the end is go-ldap's to refuse
		case ',', '+':
			return i, nil
		case ';':
			return 0, errors.New("dn: ';' does not separate RDNs; inside a value write it as \\; (RFC 4514 §2.4)")
		case '"':
			return 0, errors.New("dn: quoted values are not supported; escape special characters with \\ (RFC 4514 §2.4)")
		}
	}
	return len(s), nil
}

// firstPair is the beginning of s up to a separator, for an error message.
func firstPair(s string) string {
	if i := strings.IndexAny(s, ",+;"); i >= 0 {
		return s[:i]
	}
	return s
}
