package clientauth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/certbound/certbound/keys/dn"
	"github.com/certbound/certbound/storage"
)

// maxMatcherLength bounds a registered subject value in bytes.
const maxMatcherLength = 2048

// matcherRule is how one of the five subject values of RFC 8705 §2.1.2 is
// registered and compared.
type matcherRule struct {
	// canonical checks a registered value and returns the text by which two
	// registrations are the same.
	canonical func(value string) (string, error)
	// seen lists the certificate's values of this kind in canonical form. One
	// that cannot be read is left out and so matches nothing.
	seen func(leaf *x509.Certificate) ([]string, error)
}

// matcherRules names every subject value; a kind that is not here matches
// nothing. A value of one kind is never compared with an entry of another.
var matcherRules = map[storage.MatcherKind]matcherRule{
	storage.SubjectDN: {canonicalDN, subjectDN},
	storage.SANDNS:    {canonicalDNS, sanValues(tagDNS, foldDNS)},
	storage.SANURI:    {canonicalURI, sanValues(tagURI, exactText)},
	storage.SANIP:     {canonicalIP, sanValues(tagIP, addressText)},
	storage.SANEmail:  {canonicalEmail, sanValues(tagEmail, foldMailDomain)},
}

// NewMatcher checks a subject value for registration and computes its canonical
// form, by which uniqueness within a trust bundle is judged.
func NewMatcher(kind storage.MatcherKind, value string) (storage.Matcher, error) {
	rule, ok := matcherRules[kind]
	if !ok {
		return storage.Matcher{}, fmt.Errorf("clientauth: unknown subject value tls_client_auth_%s", kind)
	}
	if len(value) > maxMatcherLength {
		return storage.Matcher{}, fmt.Errorf("clientauth: tls_client_auth_%s is longer than %d bytes", kind, maxMatcherLength)
	}
	canonical, err := rule.canonical(value)
	if err != nil {
		return storage.Matcher{}, fmt.Errorf("clientauth: tls_client_auth_%s: %w", kind, err)
	}
	return storage.Matcher{Kind: kind, Value: value, Canonical: canonical}, nil
}

// verdict is the outcome of a comparison, with both sides for the operator.
type verdict struct {
	ok                     bool
	expected, seen, detail string
}

// Satisfies reports whether a certificate has the registered subject value. It says
// nothing about who signed it.
func Satisfies(m storage.Matcher, leaf *x509.Certificate) bool { return matches(m, leaf).ok }

// matches compares the registered subject value with the end-entity
// certificate. One matching entry of the registered kind suffices.
func matches(m storage.Matcher, leaf *x509.Certificate) verdict {
	rule, ok := matcherRules[m.Kind]
	if !ok {
		return verdict{detail: "the client has no usable subject value registered"}
	}
	v := verdict{expected: string(m.Kind) + ":" + m.Value}
	expected, err := rule.canonical(m.Value)
	if err != nil {
		v.detail = "the registered subject value cannot be read: " + err.Error()
		return v
	}
	values, err := rule.seen(leaf)
	if err != nil {
		v.detail = "the certificate's " + string(m.Kind) + " cannot be read: " + err.Error()
		return v
	}
	v.seen = strings.Join(values, " | ")
	if slices.Contains(values, expected) {
		return verdict{ok: true}
	}
	v.detail = mismatchDetail(m, leaf, len(values))
	return v
}

// mismatchDetail tells the operator what to look at.
func mismatchDetail(m storage.Matcher, leaf *x509.Certificate, values int) string {
	if m.Kind == storage.SubjectDN {
		registered, err := dn.Parse(m.Value)
		presented, err2 := dn.FromDER(leaf.RawSubject)
		if errors.Join(err, err2) == nil {
			return dn.Diff(registered, presented)
		}
	}
	if values == 0 {
		return "the certificate has no " + string(m.Kind) + " entry"
	}
	return "no " + string(m.Kind) + " entry of the certificate equals the registered value"
}

func canonicalDN(value string) (string, error) {
	name, err := dn.Parse(value)
	if err != nil {
		return "", err
	}
	return name.Canonical(), nil
}

func subjectDN(leaf *x509.Certificate) ([]string, error) {
	name, err := dn.FromDER(leaf.RawSubject)
	if err != nil || name.IsEmpty() {
		return nil, err
	}
	return []string{name.Canonical()}, nil
}

// canonicalDNS accepts letters, digits, hyphens, underscores and dots, and "*"
// as a character without wildcard meaning.
func canonicalDNS(value string) (string, error) {
	const longest = 253
	if value == "" || len(value) > longest || strings.HasSuffix(value, ".") {
		return "", errors.New("not a DNS name (1 to 253 characters, no trailing dot)")
	}
	for label := range strings.SplitSeq(value, ".") {
		if !validLabel(label) {
			return "", fmt.Errorf("label %q is not of a DNS name; internationalised names are registered in their xn-- form", label)
		}
	}
	return asciiLower(value), nil
}

func validLabel(label string) bool {
	const longest = 63
	for i := range len(label) {
		c := label[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && ('0' > c || c > '9') && c != '-' && c != '_' && c != '*' {
			return false
		}
	}
	return label != "" && len(label) <= longest
}

// canonicalURI accepts an absolute URI in printable ASCII. It is compared octet
// by octet (RFC 8705 §2.1.2 gives no normalisation), so nothing is changed. One
// with the scheme spiffe must be a SPIFFE ID, or it could match no workload.
func canonicalURI(value string) (string, error) {
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' {
			return "", errors.New("not a URI: only visible ASCII characters are allowed")
		}
	}
	u, err := url.Parse(value)
	if err != nil || !u.IsAbs() {
		return "", errors.New("not an absolute URI")
	}
	if isSPIFFE(value) {
		if _, err := spiffeid.FromString(value); err != nil {
			return "", fmt.Errorf("not a SPIFFE ID: %w", err)
		}
	}
	return value, nil
}

// isSPIFFE reports whether a URI claims to be a SPIFFE ID, in any letter case.
func isSPIFFE(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	return strings.EqualFold(scheme, "spiffe")
}

// canonicalIP accepts an IPv4 or IPv6 address in any spelling; the canonical
// form is that of RFC 5952. A zone, a prefix or an IPv4-mapped IPv6 address is
// refused: a certificate cannot hold the first two, and the third is ambiguous.
func canonicalIP(value string) (string, error) {
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return "", errors.New("not an IPv4 or IPv6 address")
	}
	return addr.String(), nil
}

// canonicalEmail accepts local@domain in ASCII: the local part is compared
// exactly, the domain without regard to case (RFC 5280 §7.5).
func canonicalEmail(value string) (string, error) {
	local, domain, ok := cutMail(value)
	if !ok {
		return "", errors.New("not an e-mail address of the form local@domain in ASCII")
	}
	for i := range len(local) {
		if c := local[i]; c <= ' ' || c > '~' {
			return "", errors.New("not an e-mail address of the form local@domain in ASCII")
		}
	}
	host, err := canonicalDNS(domain)
	if err != nil {
		return "", err
	}
	return local + "@" + host, nil
}

func cutMail(value string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(value, '@')
	if at <= 0 || at == len(value)-1 {
		return "", "", false
	}
	return value[:at], value[at+1:], true
}
