package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Permitted is what an intermediate may sign: the domains of its DNS names, and
// those of the hosts in its URIs (a SPIFFE trust domain is one), each with
// everything below it. A kind that names none has the domains of the other.
//
// What is not named is excluded: e-mail addresses are held to the same domains, and
// IP addresses are never signed. Directory names are left alone, because software
// does not agree on what it means to constrain them: whoever is matched by subject
// DN needs a CA of its own.
type Permitted struct{ DNS, URI []string }

func (p Permitted) empty() bool { return len(p.DNS)+len(p.URI) == 0 }

// constrain adds name constraints, RFC 5280 §4.2.1.10, which are critical.
func (p Permitted) constrain(template *x509.Certificate) error {
	if p.empty() {
		return nil
	}
	for _, domain := range slices.Concat(p.DNS, p.URI) {
		if err := checkDomain(domain); err != nil {
			return err
		}
	}
	dns, uri := p.DNS, p.URI
	if len(dns) == 0 {
		dns = uri
	}
	if len(uri) == 0 {
		uri = dns
	}
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains = dns // a domain and what is below it
	// Of hosts and mail domains it is the one or the other.
	template.PermittedURIDomains = withBelow(uri)
	template.PermittedEmailAddresses = withBelow(dns)
	template.ExcludedIPRanges = []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
	return nil
}

func withBelow(domains []string) []string {
	var all []string
	for _, domain := range domains {
		all = append(all, domain, "."+domain)
	}
	return all
}

// checkDomain refuses what software would read as "everything", or each in its own
// way: an empty domain, a leading dot, a wildcard, an address.
func checkDomain(domain string) error {
	if domain == "" || len(domain) > 253 || net.ParseIP(domain) != nil {
		return fmt.Errorf("ca: %q is not a domain", domain)
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) || strings.HasPrefix(label, "-") {
			return fmt.Errorf("ca: %q is not a domain in lower case", domain)
		}
	}
	return nil
}

func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

// ErrNotPermitted is returned for a name that the issuer may not sign.
var ErrNotPermitted = errors.New("ca: the issuer's name constraints do not permit this name")

// permits refuses what every relying party would refuse: the same rules as theirs,
// applied to what was signed before anybody gets it.
func (a *Authority) permits(cert *x509.Certificate) error {
	if !a.constrained() {
		return nil
	}
	at := cert.NotBefore
	if a.Cert.NotBefore.After(at) {
		at = a.Cert.NotBefore
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Cert)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	return nil
}

func (a *Authority) constrained() bool {
	return len(a.Cert.PermittedDNSDomains)+len(a.Cert.PermittedURIDomains) > 0
}
