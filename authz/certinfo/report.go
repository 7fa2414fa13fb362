package certinfo

import (
	"crypto/sha1" //nolint:gosec // shown as what x5t#S256 is not
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/keys/dn"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
)

// Report is what there is to say of a file.
type Report struct {
	Certificates []Certificate `json:"certificates"`
	Warnings     []Warning     `json:"warnings"`
}

// Certificate describes one certificate.
type Certificate struct {
	Role       string     `json:"role"`    // "client" for the first, "chain" for the others
	Subject    string     `json:"subject"` // RFC 4514, in the order it is registered in
	Issuer     string     `json:"issuer"`
	Serial     string     `json:"serial"` // hex
	Version    int        `json:"version"`
	NotBefore  time.Time  `json:"not_before"`
	NotAfter   time.Time  `json:"not_after"`
	Validity   string     `json:"validity"` // of now: "valid, 29 days left"
	Key        string     `json:"key"`
	Signature  string     `json:"signature_algorithm"`
	KeyUsage   []string   `json:"key_usage"`
	ExtUsage   []string   `json:"extended_key_usage"`
	CA         bool       `json:"ca"`
	Thumbprint string     `json:"x5t_s256"`
	SHA256Hex  string     `json:"sha256_hex"` // the same digest, not what a token holds
	SHA1Hex    string     `json:"sha1_hex"`   // not x5t#S256
	Names      []Name     `json:"names,omitempty"`
	Unseen     int        `json:"other_names,omitempty"`   // names of kinds no matcher looks at
	Suggested  *Suggested `json:"register_with,omitempty"` // of the first only
}

// Name is a name of the certificate as a matcher sees it.
type Name struct {
	Kind    string `json:"kind"`
	Value   string `json:"value"`
	Problem string `json:"problem,omitempty"` // why it is of no use
}

// Suggested is the one member a client of this certificate is registered with.
type Suggested struct {
	Member string `json:"member"` // tls_client_auth_san_uri, …
	Value  string `json:"value"`
}

// New describes a file as of now.
func New(f *File, now time.Time) *Report {
	r := &Report{Warnings: warnings(f, now)}
	for i, cert := range f.Certificates {
		c := describe(cert, now)
		if c.Role = "chain"; i == 0 {
			c.Role = "client"
			c.name(cert)
		}
		r.Certificates = append(r.Certificates, c)
	}
	return r
}

func describe(cert *x509.Certificate, now time.Time) Certificate {
	sum1, sum256 := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw) //nolint:gosec // see above
	return Certificate{
		Subject: NameText(cert.RawSubject), Issuer: NameText(cert.RawIssuer), Serial: serial(cert), Version: cert.Version,
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), Validity: validity(cert, now),
		Key: keyText(cert.PublicKey), Signature: cert.SignatureAlgorithm.String(),
		KeyUsage: keyUsages(cert.KeyUsage), ExtUsage: extUsages(cert), CA: cert.BasicConstraintsValid && cert.IsCA,
		Thumbprint: thumbprint.Of(cert).String(), SHA256Hex: hex.EncodeToString(sum256[:]), SHA1Hex: hex.EncodeToString(sum1[:]),
	}
}

// name lists what the matchers see, and suggests the first that can be registered.
func (c *Certificate) name(cert *x509.Certificate) {
	found, unseen := clientauth.Candidates(cert)
	c.Unseen = unseen
	for _, one := range found {
		name := Name{Kind: string(one.Matcher.Kind), Value: one.Matcher.Value}
		if one.Problem != nil {
			name.Problem = one.Problem.Error()
		} else if c.Suggested == nil {
			c.Suggested = &Suggested{"tls_client_auth_" + name.Kind, name.Value}
		}
		c.Names = append(c.Names, name)
	}
}

// NameText writes a name as it would be registered.
func NameText(raw []byte) string {
	if len(raw) > peercert.MaxNameBytes {
		return fmt.Sprintf("(a name of %d bytes)", len(raw))
	}
	name, err := dn.FromDER(raw)
	switch {
	case err != nil:
		return fmt.Sprintf("(a name that cannot be read: %v)", err)
	case name.IsEmpty():
		return "(empty)"
	}
	return name.String()
}

func serial(cert *x509.Certificate) string {
	if cert.SerialNumber == nil {
		return ""
	}
	return cert.SerialNumber.Text(16)
}

func validity(cert *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(cert.NotBefore):
		return "not valid yet, begins in " + days(cert.NotBefore.Sub(now))
	case now.After(cert.NotAfter):
		return "expired " + days(now.Sub(cert.NotAfter)) + " ago"
	}
	return "valid, " + days(cert.NotAfter.Sub(now)) + " left"
}

// days counts whole days, and hours below two of them.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return d.Truncate(time.Minute).String()
	}
	return fmt.Sprintf("%d days", d/day)
}
