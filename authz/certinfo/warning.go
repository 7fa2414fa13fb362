package certinfo

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/keys/peercert"
)

// Warning is something that speaks against the certificate, or deserves a look.
type Warning struct {
	Code string `json:"code"` // stable
	Text string `json:"text"`
}

// longest is the lifetime that public authorities are held to (CA/Browser Forum
// Baseline Requirements §6.3.2), and private ones do well to keep.
const longest = 398 * 24 * time.Hour

// soon is when a certificate should have been renewed, or a third of its lifetime
// before the end when that is later.
const soon = 30 * 24 * time.Hour

func warnings(f *File, now time.Time) []Warning {
	all := warningList{}
	if f.PrivateKey {
		all.add("private_key", "THE FILE HOLDS A PRIVATE KEY. Whoever has the file can be this client: if it has been sent to anybody, replace key and certificate")
	}
	for _, kind := range f.Other {
		all.add("other_block", "a PEM block %q is neither certificate nor key", kind)
	}
	leaf := f.Leaf()
	all.form(leaf)
	all.usage(leaf)
	all.names(leaf)
	if !f.Requested { // of a request they say nothing
		all.time(leaf, now)
		all.chain(f)
	}
	return all
}

type warningList []Warning

func (l *warningList) add(code, format string, args ...any) {
	*l = append(*l, Warning{code, fmt.Sprintf(format, args...)})
}

func (l *warningList) form(leaf *x509.Certificate) {
	if leaf.Version < 3 {
		l.add("version", "an X.509 v%d certificate: no usages, no alternative names, no constraints. A plain `openssl x509 -req` makes these; give it -extfile", leaf.Version)
	}
	if err := peercert.CheckStrength(leaf); err != nil {
		l.add("weak", "%v: it is refused everywhere (certificate_weak)", err)
	}
	if len(leaf.UnhandledCriticalExtensions) > 0 {
		l.add("critical_extension", "the critical extension %s is not understood: the certificate is refused (certificate_untrusted)", leaf.UnhandledCriticalExtensions[0])
	}
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
		l.add("self_signed", "self-signed: it can be registered for self_signed_tls_client_auth in jwks, and chains to no trust bundle")
	}
}

func (l *warningList) usage(leaf *x509.Certificate) {
	stated := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	fits := slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
	switch {
	case stated && !fits:
		l.add("no_client_auth", "its extended key usage lacks clientAuth: tls_client_auth refuses it (certificate_wrong_usage)")
	case !stated:
		l.add("no_client_auth", "it has no extended key usage: nothing says it is for clients, and nothing keeps it from being a server's; ask for clientAuth")
	}
	const consistent = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	if leaf.KeyUsage != 0 && leaf.KeyUsage&consistent == 0 {
		l.add("key_usage", "its key usage has neither digitalSignature nor keyAgreement: tls_client_auth refuses it (certificate_wrong_usage)")
	}
	if leaf.BasicConstraintsValid && leaf.IsCA {
		l.add("authority", "it says CA:TRUE: its holder can issue certificates that verifiers may believe")
	}
}

func (l *warningList) time(leaf *x509.Certificate, now time.Time) {
	switch {
	case now.After(leaf.NotAfter):
		l.add("expired", "%s: it is refused everywhere (certificate_expired)", validity(leaf, now))
	case now.Before(leaf.NotBefore):
		l.add("not_yet_valid", "%s: until then it is refused everywhere (certificate_not_yet_valid)", validity(leaf, now))
	case leaf.NotAfter.Sub(now) < min(soon, leaf.NotAfter.Sub(leaf.NotBefore)/3):
		l.add("expires_soon", "%s: renew it, and mind that a token is bound to one certificate, not to the next", validity(leaf, now))
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > longest {
		l.add("lifetime", "it lives %s, more than the usual 398 days", days(life))
	}
}

func (l *warningList) names(leaf *x509.Certificate) {
	if len(leaf.RawSubject) <= 2 && !hasSAN(leaf) {
		l.add("nameless", "it has neither a subject nor an alternative name: no subject value can match it")
		return
	}
	if hasSAN(leaf) {
		return
	}
	l.add("no_san", "it has no subject alternative name: only tls_client_auth_subject_dn can match it")
	if len(leaf.Subject.Names) == 1 && leaf.Subject.CommonName != "" {
		l.add("cn_only", "its whole name is one CN: any authority of the bundle that is asked for that CN makes an equal of it")
	}
}

func hasSAN(leaf *x509.Certificate) bool {
	return len(leaf.DNSNames)+len(leaf.URIs)+len(leaf.EmailAddresses)+len(leaf.IPAddresses) > 0
}

// chain looks at what would be sent in a handshake.
func (l *warningList) chain(f *File) {
	state := &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: f.Certificates}
	if _, err := peercert.FromTLS(state); err != nil {
		l.add("too_much", "%v (certificate_malformed)", err)
	}
	for i := 1; i < len(f.Certificates); i++ {
		below, above := f.Certificates[i-1], f.Certificates[i]
		if !bytes.Equal(below.RawIssuer, above.RawSubject) {
			l.add("order", "certificate %d is not the issuer of certificate %d: a chain begins with the client's certificate, each next one issued the one before", i+1, i)
		} else if below.CheckSignatureFrom(above) != nil {
			l.add("order", "certificate %d has the name of the issuer of certificate %d, but did not sign it", i+1, i)
		}
		if bytes.Equal(above.RawSubject, above.RawIssuer) {
			l.add("root_sent", "certificate %d is a root: it need not be sent, the server knows its own", i+1)
		}
	}
}
