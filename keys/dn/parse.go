package dn

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// Limits of a registered DN.
const (
	maxString = 2 << 10
	maxRDNs   = 64
)

var errTooManyRDNs = fmt.Errorf("dn: more than %d RDNs", maxRDNs)

// Parse reads an RFC 4514 string, whose first RDN is the certificate's last.
// Spaces around separators are tolerated, as RFC 2253 did. Refused are the empty
// DN, empty values, ';' as separator, quoted values, an "OID." prefix, NUL, and
// an attribute type that is neither known by name nor dotted with a #hex value.
func Parse(s string) (Name, error) {
	if err := checkText(s); err != nil {
		return Name{}, err
	}
	raw, err := split(s)
	if err != nil {
		return Name{}, err
	}
	rdns := make([]rdn, len(raw))
	for i, pairs := range raw {
		if rdns[i], err = parseRDN(pairs); err != nil {
			return Name{}, err
		}
	}
	return newName(rdns), nil
}

func checkText(s string) error {
	switch {
	case strings.Trim(s, " ") == "":
		return errors.New("dn: the DN is empty")
	case len(s) > maxString:
		return fmt.Errorf("dn: a DN of %d bytes is over the limit of %d", len(s), maxString)
	case !utf8.ValidString(s):
		return errors.New("dn: the DN is not valid UTF-8")
	case strings.ContainsRune(s, 0):
		return errors.New("dn: the DN contains NUL")
	}
	return nil
}

func parseRDN(pairs []rawPair) (rdn, error) {
	attributes := make([]attribute, len(pairs))
	for i, p := range pairs {
		oid, named, err := resolveType(p.typ)
		if err != nil {
			return nil, err
		}
		v, err := parseValue(p.value, named)
		if err != nil {
			return nil, fmt.Errorf("dn: %s: %w", p.typ, err)
		}
		attributes[i] = attribute{oid: oid, value: v}
	}
	return newRDN(attributes), nil
}

// resolveType returns the dotted OID of a type, and whether it has a name here
// (and so is known to hold a string).
func resolveType(typ string) (oid string, named bool, err error) {
	if len(typ) > 4 && strings.EqualFold(typ[:4], "OID.") {
		return "", false, fmt.Errorf("dn: attribute type %q: write the OID without the prefix \"OID.\" (RFC 4514 §2.3)", typ)
	}
	if typ[0] < '0' || typ[0] > '9' {
		oid, named = oidByName[strings.ToLower(typ)]
		if !named {
			return "", false, fmt.Errorf("dn: attribute type %q is not known; write its dotted OID and the value as #hex (RFC 4514 §2.4)", typ)
		}
		return oid, true, nil
	}
	parsed, err := x509.ParseOID(typ)
	// Comparing the text refuses any spelling but the canonical one.
	if err != nil || parsed.String() != typ {
		return "", false, fmt.Errorf("dn: attribute type %q is not a dotted OID", typ)
	}
	_, named = nameByOID[typ]
	return typ, named, nil
}

// parseValue reads a raw value; named says that its type holds a string.
func parseValue(raw string, named bool) (value, error) {
	trimmed := strings.TrimLeft(raw, " ")
	switch {
	case trimmed == "":
		return value{}, errEmptyValue
	case trimmed[0] == '#':
		der, err := hex.DecodeString(strings.TrimRight(trimmed[1:], " "))
		if err != nil {
			return value{}, errors.New("the value after # is not hex")
		}
		return newDER(der)
	case !named:
		return value{}, errors.New("the value of a type without a name is written as # and the hex of its DER (RFC 4514 §2.4)")
	}
	text, err := unescape(raw)
	if err != nil {
		return value{}, err
	}
	return newText(text)
}

// errReadersDisagree guards the seam between split and go-ldap. No input is
// known that gets here, and the fuzz target looks for one.
var errReadersDisagree = errors.New("not an RFC 4514 value: its structure is ambiguous")

// unescape has go-ldap decode one value. It sees no more than that, because it
// drops the ASN.1 type of a #hex value, and its BER reader trusts the length in
// one enough to allocate it.
func unescape(raw string) (string, error) {
	decoded, err := ldap.ParseDN("CN=" + raw)
	if err != nil {
		return "", fmt.Errorf("not an RFC 4514 value: %w", err)
	}
	if len(decoded.RDNs) != 1 || len(decoded.RDNs[0].Attributes) != 1 {
		return "", errReadersDisagree
	}
	text := decoded.RDNs[0].Attributes[0].Value
	if !utf8.ValidString(text) {
		return "", errors.New("the escaped octets are not valid UTF-8")
	}
	return text, nil
}
