package clientauth

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net/netip"
	"strings"
)

// Context-specific tags of GeneralName, RFC 5280 §4.2.1.6.
const (
	tagEmail = 1 // rfc822Name
	tagDNS   = 2 // dNSName
	tagURI   = 6 // uniformResourceIdentifier
	tagIP    = 7 // iPAddress
)

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// sanValues returns a reader of the entries of one GeneralName kind, each in
// canonical form. The entries are taken from the extension's own octets, since
// x509.Certificate.URIs holds parsed URLs, and printing one does not always give
// back what the certificate says ("SPIFFE:" becomes "spiffe:").
func sanValues(tag int, canonical func(raw []byte) (string, bool)) func(*x509.Certificate) ([]string, error) {
	return func(leaf *x509.Certificate) ([]string, error) {
		names, err := generalNames(leaf)
		if err != nil {
			return nil, err
		}
		var values []string
		for _, name := range names {
			if name.Class != asn1.ClassContextSpecific || name.Tag != tag {
				continue
			}
			// A name in constructed form is no DER. crypto/x509 passes over it, name
			// constraints included, so it must not become a name here.
			if name.IsCompound {
				return nil, errors.New("clientauth: a name in subjectAltName is not DER")
			}
			if value, ok := canonical(name.Bytes); ok {
				values = append(values, value)
			}
		}
		return values, nil
	}
}

// generalNames reads the subjectAltName extension; none is an empty list.
func generalNames(leaf *x509.Certificate) ([]asn1.RawValue, error) {
	for _, extension := range leaf.Extensions {
		if !extension.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		rest, err := asn1.Unmarshal(extension.Value, &names)
		if err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			return nil, errors.New("clientauth: trailing data after subjectAltName")
		}
		return names, nil
	}
	return nil, nil
}

func exactText(raw []byte) (string, bool) { return string(raw), true }

func foldDNS(raw []byte) (string, bool) { return asciiLower(string(raw)), true }

func addressText(raw []byte) (string, bool) {
	addr, ok := netip.AddrFromSlice(raw)
	return addr.String(), ok && !addr.Is4In6()
}

func foldMailDomain(raw []byte) (string, bool) {
	local, domain, ok := cutMail(string(raw))
	return local + "@" + asciiLower(domain), ok
}

// asciiLower folds A–Z only. strings.ToLower folds beyond ASCII, where distinct
// names could become one.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
