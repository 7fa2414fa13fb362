package harness

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

// Cast is the set of records the tests register for themselves, with the keys
// to play each part.
type Cast struct {
	// Root is the anchor of bundle "conf-root"; Issuing is an intermediate that
	// clients have to send along.
	Root, Issuing *keystest.CA
	// PinnedRoot is the anchor of bundle "conf-pinned", which names Named as the
	// only issuer; Other is its sister under the same root.
	PinnedRoot, Named, Other *keystest.CA

	SelfSigned keystest.Pair // registered for conf-self
	Second     keystest.Pair // registered for conf-self too
	Parent     keystest.Pair // registered for conf-parent: self-signed and able to sign
	Bare       keystest.Pair // registered for conf-bare: no EKU, no key usage
	Brief      keystest.Pair // registered for conf-brief: ends BriefEnds
	BriefEnds  time.Time
}

// What the cast's clients are matched by.
const (
	ChainDNS  = "chain.conformance.test"
	PinnedDNS = "pinned.conformance.test"
	MixedDNS  = "Mixed.Conformance.test"
	WildDNS   = "*.conformance.test"
	PlainIP   = "2001:db8::1"
	PlainMail = "Billing@Conformance.test"
	PlainURI  = "https://conformance.test/Billing?x=1"
	HexDN     = `CN=escaped\2c name+2.5.4.97=#0c0750534453452d31,O=Conformance`
	SubjectDN = `CN=billing,OU=a\, b,O=Conformance,C=SE`
	Ledger    = "https://ledger.conformance.test"
)

// SubjectDNName is SubjectDN as a certificate has it.
func SubjectDNName() pkix.Name {
	return pkix.Name{
		Country: []string{"SE"}, Organization: []string{"Conformance"},
		OrganizationalUnit: []string{"a, b"}, CommonName: "billing",
	}
}

// HexSubject is HexDN as a certificate has it: the first RDN stands last.
func HexSubject() pkix.RDNSequence {
	return pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Conformance"}},
		{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "escaped, name"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "PSDSE-1"},
		},
	}
}

func newCast(t testing.TB) *Cast {
	of := func(cn string) keystest.Option {
		return keystest.Subject(pkix.Name{Organization: []string{"Conformance"}, CommonName: cn})
	}
	c := &Cast{Root: keystest.NewCA(t, "", of("root")), PinnedRoot: keystest.NewCA(t, "conformance pinned root")}
	c.Issuing = c.Root.Intermediate(t, "", of("issuing"))
	c.Named = c.PinnedRoot.Intermediate(t, "conformance named issuer")
	c.Other = c.PinnedRoot.Intermediate(t, "conformance other issuer")
	c.SelfSigned = keystest.SelfSigned(t, keystest.CommonName("conf self"))
	c.Second = keystest.SelfSigned(t, keystest.CommonName("conf self, second"))
	c.Parent = keystest.SelfSigned(t, keystest.CommonName("conf parent"), keystest.IsCA())
	c.Bare = keystest.SelfSigned(t, keystest.CommonName("conf bare"), keystest.NoEKU(), keystest.KeyUsage(0))
	c.BriefEnds = time.Now().Add(15 * time.Second).Truncate(time.Second)
	c.Brief = keystest.SelfSigned(t, keystest.CommonName("conf brief"), keystest.NotAfter(c.BriefEnds))
	return c
}

type object = map[string]any

// seed is the registration as `dev --seed` reads it.
func (c *Cast) seed() []byte {
	pki := func(id, kind, value, bundle, scope string) object {
		return object{
			"client_id": id, "partner_id": "conformance", "token_endpoint_auth_method": "tls_client_auth",
			"tls_client_auth_" + kind: value, "trust_bundle": bundle, "scope": scope,
		}
	}
	self := func(id string, pairs ...keystest.Pair) object {
		var keys []object
		for _, p := range pairs {
			keys = append(keys, CertificateJWK(p))
		}
		return object{
			"client_id": id, "partner_id": "conformance", "token_endpoint_auth_method": "self_signed_tls_client_auth",
			"jwks": object{"keys": keys}, "scope": "accounts:read",
		}
	}
	disabled := pki("conf-disabled", "san_dns", "disabled.conformance.test", "conf-root", "accounts:read")
	disabled["disabled"] = true
	out, err := json.Marshal(object{
		"partners": []object{{"id": "conformance", "name": "Conformance"}},
		"trust_bundles": []object{
			{"name": "conf-root", "anchors": string(c.Root.CertPEM())},
			{"name": "conf-pinned", "anchors": string(c.PinnedRoot.CertPEM()), "issuers": string(c.Named.CertPEM())},
		},
		"apis": []object{{"id": "conf-ledger", "audience": Ledger, "scopes": []string{"ledger:read", "ledger:write"}, "token_lifetime_seconds": 120}},
		"clients": []object{
			pki("conf-chain", "san_dns", ChainDNS, "conf-root", "accounts:read"),
			pki("conf-pinned", "san_dns", PinnedDNS, "conf-pinned", "accounts:read"),
			pki("conf-dns", "san_dns", MixedDNS, "conf-root", "accounts:read"),
			pki("conf-wild", "san_dns", WildDNS, "conf-root", "accounts:read"),
			pki("conf-uri", "san_uri", PlainURI, "conf-root", "accounts:read"),
			pki("conf-ip", "san_ip", PlainIP, "conf-root", "accounts:read"),
			pki("conf-mail", "san_email", PlainMail, "conf-root", "accounts:read"),
			pki("conf-dn", "subject_dn", SubjectDN, "conf-root", "accounts:read accounts:write ledger:read"),
			pki("conf-hex", "subject_dn", HexDN, "conf-root", "accounts:read"),
			disabled,
			self("conf-self", c.SelfSigned, c.Second),
			self("conf-parent", c.Parent),
			self("conf-bare", c.Bare),
			self("conf-brief", c.Brief),
		},
	})
	if err != nil {
		panic(err) // strings and maps of strings always marshal
	}
	return out
}

// CertificateJWK is a certificate with an EC P-256 key as RFC 8705 §2.2.2
// registers it.
func CertificateJWK(p keystest.Pair) map[string]any {
	point, err := p.Cert.PublicKey.(*ecdsa.PublicKey).Bytes() // 0x04, X, Y
	if err != nil {
		panic(err)
	}
	return object{
		"kty": "EC", "crv": "P-256",
		"x":   base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y":   base64.RawURLEncoding.EncodeToString(point[33:]),
		"x5c": []string{base64.StdEncoding.EncodeToString(p.Cert.Raw)},
	}
}

// CertificatePEM is one certificate as PEM.
func CertificatePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}
