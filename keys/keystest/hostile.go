package keystest

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// SHA1 has the certificate signed with SHA-1; its issuer needs an RSA or EC key.
func SHA1() Option {
	return func(s *spec) { s.template.SignatureAlgorithm = sha1Placeholder }
}

// sha1Placeholder is replaced by the SHA-1 algorithm of the issuer's kind of key.
const sha1Placeholder = x509.SHA1WithRSA

// MD5 has the certificate signed with MD5; its issuer needs an RSA key.
func MD5() Option {
	return func(s *spec) {
		s.rework = func(c *rawCert) {
			c.TBS.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidMD5WithRSA, Parameters: asn1.NullRawValue}
			c.hash = crypto.MD5
		}
	}
}

// Version1 makes an X.509 v1 certificate: no extensions at all, which is what a
// plain `openssl x509 -req` yields.
func Version1() Option {
	return func(s *spec) {
		s.rework = func(c *rawCert) { c.TBS.Version, c.TBS.Extensions = 0, nil }
	}
}

// IsCA marks a leaf as a certificate authority.
func IsCA() Option {
	return func(s *spec) {
		s.template.IsCA = true
		s.template.KeyUsage |= x509.KeyUsageCertSign
	}
}

// NotCA takes the CA flag from an authority, leaving it its signatures.
func NotCA() Option {
	return func(s *spec) {
		s.template.IsCA, s.template.MaxPathLen, s.template.MaxPathLenZero = false, 0, false
	}
}

// PathLen limits how many authorities may follow below this one.
func PathLen(n int) Option {
	return func(s *spec) { s.template.MaxPathLen, s.template.MaxPathLenZero = n, n == 0 }
}

// PermittedDNS constrains an authority to names under the domains.
func PermittedDNS(domains ...string) Option {
	return func(s *spec) {
		s.template.PermittedDNSDomains, s.template.PermittedDNSDomainsCritical = domains, true
	}
}

// CriticalExtension adds a critical extension nobody knows, which RFC 5280 §4.2
// says must be refused.
func CriticalExtension() Option {
	return Extension(pkix.Extension{Id: oidUnknown, Critical: true, Value: []byte{0x05, 0x00}})
}

// Extension adds any extension; its value is DER.
func Extension(e pkix.Extension) Option {
	return func(s *spec) { s.template.ExtraExtensions = append(s.template.ExtraExtensions, e) }
}

// ManyDNS adds n dNSName entries, "name-0.partner.test" and so on.
func ManyDNS(n int) Option {
	return func(s *spec) {
		for i := range n {
			s.template.DNSNames = append(s.template.DNSNames, fmt.Sprintf("name-%d.partner.test", i))
		}
	}
}

var (
	// An arc for private use below the example enterprise number of RFC 5612 §2.
	oidUnknown    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}
	oidMD5WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}
)
