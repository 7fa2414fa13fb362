package trust

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/keys/peercert"
)

// Names of the fields in messages, as in the admin API.
const (
	fieldAnchors       = "anchors"
	fieldIntermediates = "intermediates"
	fieldIssuers       = "issuers"
)

// place is where a certificate stands in the bundle.
type place struct {
	bundle *Bundle
	field  string
	index  int // from 0
	cert   *x509.Certificate
}

func (p place) problem(format string, args ...any) error {
	return fmt.Errorf("trust: bundle %s: %s: certificate %d (%s): "+format,
		append([]any{p.bundle.name, p.field, p.index + 1, subjectText(p.cert)}, args...)...)
}

// places lists every certificate, anchors first.
func (b *Bundle) places() []place {
	var all []place
	add := func(field string, certs []*x509.Certificate) {
		for i, cert := range certs {
			all = append(all, place{b, field, i, cert})
		}
	}
	add(fieldAnchors, b.anchors)
	add(fieldIntermediates, b.intermediates)
	add(fieldIssuers, b.issuers)
	return all
}

// unfit lists the problems that do not depend on time.
func (b *Bundle) unfit() []error {
	var problems []error
	seen := make(map[string]place)
	for _, p := range b.places() {
		if err := fitAuthority(p.cert); err != nil {
			problems = append(problems, p.problem("%w", err))
		}
		// An issuer is a pin on an authority that may well be listed above.
		key := string(p.cert.Raw)
		if first, twice := seen[key]; twice && (p.field != fieldIssuers || first.field == fieldIssuers) {
			problems = append(problems, p.problem("it is certificate %d of %s again", first.index+1, first.field))
			continue
		}
		seen[key] = p
	}
	return problems
}

// fitAuthority says why a certificate could never stand on a path as authority.
func fitAuthority(cert *x509.Certificate) error {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return errors.New("it is not a certificate authority (CA:TRUE is missing, RFC 5280 §4.2.1.9)")
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("its key usage lacks keyCertSign (RFC 5280 §4.2.1.3)")
	}
	if len(cert.RawSubject) <= 2 {
		return errors.New("it has no subject, so nothing can name it as issuer (RFC 5280 §4.1.2.6)")
	}
	if err := peercert.CheckKey(cert.PublicKey); err != nil {
		return err
	}
	if tooLarge(cert) {
		return fmt.Errorf("its RSA key has more than %d bits", maxRSABits)
	}
	return unprocessed(cert)
}

// maxRSABits bounds what one signature check can cost.
const maxRSABits = 8192

func tooLarge(cert *x509.Certificate) bool {
	key, isRSA := cert.PublicKey.(*rsa.PublicKey)
	return isRSA && key.N.BitLen() > maxRSABits
}

var (
	oidNameConstraints    = asn1.ObjectIdentifier{2, 5, 29, 30}
	errCriticalExtension  = errors.New("it has a critical extension that is not understood (RFC 5280 §4.2)")
	errNameConstraintKind = errors.New("its name constraints are on a kind of name that is not supported; supported are DNS, e-mail, IP and URI (RFC 5280 §4.2.1.10)")
)

// unprocessed refuses what crypto/x509 would leave unchecked. It passes over a
// name constraint on, say, a directoryName when the extension is not marked
// critical; but a constraint is there to keep one partner's authority from
// minting another partner's names, marked or not.
func unprocessed(cert *x509.Certificate) error {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidNameConstraints) && !constraintsSupported(e.Value) {
			return errNameConstraintKind
		}
	}
	if len(cert.UnhandledCriticalExtensions) > 0 {
		return fmt.Errorf("%w: %s", errCriticalExtension, cert.UnhandledCriticalExtensions[0])
	}
	return nil
}

// constraintsSupported reads NameConstraints far enough to see the kinds.
func constraintsSupported(der []byte) bool {
	var lists, subtrees []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &lists); err != nil || len(rest) > 0 {
		return false
	}
	for _, list := range lists { // permittedSubtrees, excludedSubtrees
		for rest := list.Bytes; len(rest) > 0; {
			var err error
			// GeneralSubtree: the base, then minimum and maximum.
			if rest, err = asn1.Unmarshal(rest, &subtrees); err != nil || len(subtrees) == 0 {
				return false
			}
			if !constraintKinds[subtrees[0].Tag] || subtrees[0].Class != asn1.ClassContextSpecific {
				return false
			}
		}
	}
	return true
}

// constraintKinds are the GeneralName choices crypto/x509 evaluates: rfc822Name,
// dNSName, uniformResourceIdentifier, iPAddress.
var constraintKinds = map[int]bool{1: true, 2: true, 6: true, 7: true}

// outdated lists the certificates that have expired. One that is not valid yet
// may be registered ahead of time.
func (b *Bundle) outdated(now time.Time) []error {
	var problems []error
	for _, p := range b.places() {
		if now.After(p.cert.NotAfter) {
			problems = append(problems, p.problem("it %s", period(p.cert, now)))
		}
	}
	return problems
}
