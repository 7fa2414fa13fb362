package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// explain finds out why there is no path. It follows issuer names upwards, one
// candidate a step, so it costs a handful of signature checks at most; it never
// turns a refusal into anything else.
func (b *Bundle) explain(leaf *x509.Certificate, presented, connected []*x509.Certificate, now time.Time, cause error) error {
	var outdated *x509.Certificate
	cert := leaf
	for range b.maxDepth + 2 {
		parent := b.likelyParent(cert, presented)
		if parent == nil {
			return b.orphan(leaf, cert)
		}
		// A presented certificate that is not connected may hold a key made to
		// be slow; it is followed by name only.
		if b.holds(parent) || slices.Contains(connected, parent) {
			if err := cert.CheckSignatureFrom(parent); err != nil {
				return badSignature(cert, parent, err)
			}
		}
		if outdated == nil && period(parent, now) != "" {
			outdated = parent
		}
		if slices.ContainsFunc(b.anchors, parent.Equal) {
			break
		}
		cert = parent
	}
	if outdated != nil {
		return refuse(ErrExpiredIssuer, "%s %s", subjectText(outdated), period(outdated, now))
	}
	return refuse(ErrUntrusted, "bundle %s: %w", b, cause)
}

// likelyParent returns the certificate that most likely issued cert, by name and
// then by key identifier; the bundle's own come first.
func (b *Bundle) likelyParent(cert *x509.Certificate, presented []*x509.Certificate) *x509.Certificate {
	var likely *x509.Certificate
	for _, candidate := range slices.Concat(b.bySubject[string(cert.RawIssuer)], presented) {
		if candidate == nil || !bytes.Equal(candidate.RawSubject, cert.RawIssuer) || candidate.Equal(cert) {
			continue
		}
		if len(cert.AuthorityKeyId) > 0 && bytes.Equal(cert.AuthorityKeyId, candidate.SubjectKeyId) {
			return candidate
		}
		if likely == nil {
			likely = candidate
		}
	}
	return likely
}

func (b *Bundle) holds(cert *x509.Certificate) bool {
	return slices.ContainsFunc(b.bySubject[string(cert.RawSubject)], cert.Equal)
}

// badSignature explains a parent that has the right name and did not, or may
// not, sign.
func badSignature(cert, parent *x509.Certificate, err error) error {
	var insecure x509.InsecureAlgorithmError
	var constraint x509.ConstraintViolationError
	switch {
	case errors.As(err, &constraint):
		return refuse(ErrUntrusted, "%s signed %s but is no authority that may (CA:TRUE and keyCertSign are needed, RFC 5280 §6.1.4)", subjectText(parent), subjectText(cert))
	case errors.As(err, &insecure):
		return refuse(ErrUntrusted, "%s is signed with %s, which is not secure", subjectText(cert), cert.SignatureAlgorithm)
	case bytes.Equal(cert.RawSubject, parent.RawSubject):
		return refuse(ErrUntrusted, "%s has the name of an authority of the bundle, but not its key", subjectText(cert))
	}
	return refuse(ErrUntrusted, "%s names %s as its issuer, but was not signed with that authority's key", subjectText(cert), subjectText(parent))
}

// orphan explains a path that ends at cert because nobody has its issuer.
func (b *Bundle) orphan(leaf, cert *x509.Certificate) error {
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		if cert == leaf {
			return refuse(ErrUntrusted, "it is self-signed, or names itself as its issuer, and bundle %s does not hold it", b)
		}
		return refuse(ErrUntrusted, "its chain ends at %s, which is not an anchor of bundle %s", subjectText(cert), b)
	}
	if other := b.others.issuerOf(cert, b.name); other != "" {
		return refuse(ErrUntrusted, "%s was issued by an authority of bundle %s, not of bundle %s", subjectText(cert), other, b)
	}
	if b.kin(cert) {
		return refuse(ErrChainIncomplete, "the authority %s, which issued %s, is neither in bundle %s nor was it sent: have the client send its whole chain, or add the authority to the bundle's intermediates", issuerText(cert), subjectText(cert), b)
	}
	return refuse(ErrUntrusted, "the authority %s, which issued %s, is neither in bundle %s nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain", issuerText(cert), subjectText(cert), b)
}

// kin reports whether the missing issuer of cert looks like an authority below
// one of ours; see ErrChainIncomplete.
func (b *Bundle) kin(cert *x509.Certificate) bool {
	for _, p := range b.places() {
		if p.cert.MaxPathLen == 0 { // crypto/x509 reads an absent path length as -1
			continue
		}
		for _, organization := range p.cert.Subject.Organization {
			if slices.Contains(cert.Issuer.Organization, organization) {
				return true
			}
		}
	}
	return false
}
