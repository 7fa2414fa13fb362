package keystest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"time"
)

// spec is a certificate to be: a template, and what a template cannot say.
type spec struct {
	template x509.Certificate
	newKey   func() (crypto.Signer, error)
	now      time.Time
	absolute bool           // the template's validity is to be taken as it is
	from, to time.Duration  // validity relative to now, unless absolute
	end      time.Time      // replaces to, when set
	rework   func(*rawCert) // change what crypto/x509 would not write
}

// Option makes a certificate differ from the good default.
type Option func(*spec)

// Subject sets the subject name.
func Subject(name pkix.Name) Option { return func(s *spec) { s.template.Subject = name } }

// CommonName sets a subject of one CN.
func CommonName(cn string) Option { return Subject(pkix.Name{CommonName: cn}) }

// RawSubject sets the subject as DER, for names pkix.Name cannot express.
func RawSubject(der []byte) Option { return func(s *spec) { s.template.RawSubject = der } }

// DNS sets dNSName entries of the subject alternative name.
func DNS(names ...string) Option { return func(s *spec) { s.template.DNSNames = names } }

// Email sets rfc822Name entries of the subject alternative name.
func Email(addrs ...string) Option { return func(s *spec) { s.template.EmailAddresses = addrs } }

// IP sets iPAddress entries of the subject alternative name.
func IP(addrs ...string) Option {
	return func(s *spec) {
		s.template.IPAddresses = nil
		for _, addr := range addrs {
			s.template.IPAddresses = append(s.template.IPAddresses, net.ParseIP(addr))
		}
	}
}

// URI sets uniformResourceIdentifier entries of the subject alternative name. It
// panics on what is not a URI.
func URI(uris ...string) Option {
	return func(s *spec) {
		s.template.URIs = nil
		for _, raw := range uris {
			u, err := url.Parse(raw)
			if err != nil {
				panic(err)
			}
			s.template.URIs = append(s.template.URIs, u)
		}
	}
}

// EKU replaces the extended key usages.
func EKU(usages ...x509.ExtKeyUsage) Option {
	return func(s *spec) { s.template.ExtKeyUsage = usages }
}

// NoEKU leaves the extended key usage extension out.
func NoEKU() Option { return EKU() }

// KeyUsage replaces the key usage; zero leaves the extension out.
func KeyUsage(usage x509.KeyUsage) Option {
	return func(s *spec) { s.template.KeyUsage = usage }
}

// Now sets the time around which the certificate is valid, from an hour before
// to a day after; the default is the real time.
func Now(now time.Time) Option {
	return func(s *spec) { s.now, s.absolute = now, false }
}

// Validity sets the period exactly.
func Validity(notBefore, notAfter time.Time) Option {
	return func(s *spec) {
		s.template.NotBefore, s.template.NotAfter, s.absolute = notBefore, notAfter, true
	}
}

// NotAfter keeps the beginning an hour before now and sets the end.
func NotAfter(t time.Time) Option {
	return func(s *spec) { s.end, s.absolute = t, false }
}

// Expired makes a certificate that ended an hour ago.
func Expired() Option { return within(-48*time.Hour, -time.Hour) }

// NotYetValid makes a certificate that begins in an hour.
func NotYetValid() Option { return within(time.Hour, 48*time.Hour) }

func within(from, to time.Duration) Option {
	return func(s *spec) { s.from, s.to, s.absolute = from, to, false }
}

// RSA gives the certificate an RSA key; fewer than 2048 bits are weak.
func RSA(bits int) Option {
	return func(s *spec) {
		s.newKey = func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, bits) }
	}
}

// EC gives the certificate a key on the curve; P-224 is weak.
func EC(curve elliptic.Curve) Option {
	return func(s *spec) {
		s.newKey = func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
	}
}

// Ed25519 gives the certificate an Ed25519 key.
func Ed25519() Option {
	return func(s *spec) {
		s.newKey = func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		}
	}
}

// WithKey uses an existing key: a renewed certificate, or another's subject.
func WithKey(key crypto.Signer) Option {
	return func(s *spec) { s.newKey = func() (crypto.Signer, error) { return key, nil } }
}

// SerialNumber sets the serial number, to collide with another's.
func SerialNumber(n *big.Int) Option { return func(s *spec) { s.template.SerialNumber = n } }

// SubjectKeyID sets the subject key identifier, to impersonate another's.
func SubjectKeyID(id []byte) Option { return func(s *spec) { s.template.SubjectKeyId = id } }
