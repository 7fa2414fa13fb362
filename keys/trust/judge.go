package trust

import (
	"bytes"
	"crypto/x509"
	"slices"

	"github.com/certbound/certbound/keys/peercert"
)

// judge decides on a path that crypto/x509 found valid, leaf first, anchor last:
// the bundle's own limits, and what crypto/x509 leaves to its caller.
func (b *Bundle) judge(chain []*x509.Certificate) error {
	leaf, authorities := chain[0], chain[1:]
	if depth := len(chain) - 2; depth > b.maxDepth {
		return refuse(ErrUntrusted, "its path to %s has %d intermediates, bundle %s allows %d", subjectText(chain[len(chain)-1]), depth, b, b.maxDepth)
	}
	if !b.pinned(authorities[0]) {
		return refuse(ErrUntrusted, "it was issued by %s, which is not one of the issuers of bundle %s", subjectText(authorities[0]), b)
	}
	for _, cert := range chain[:len(chain)-1] { // an anchor's own signature counts for nothing
		if err := peercert.CheckStrength(cert); err != nil {
			return refuse(ErrUntrusted, "%s on its path: %w", subjectText(cert), err)
		}
	}
	for _, cert := range authorities {
		if err := unprocessed(cert); err != nil {
			return refuse(ErrUntrusted, "%s on its path: %w", subjectText(cert), err)
		}
	}
	if !signsHandshakes(leaf) {
		return refuse(ErrWrongUsage, "its key usage has neither digitalSignature nor keyAgreement (RFC 5280 §4.2.1.12)")
	}
	for _, cert := range chain {
		if !forClients(cert) {
			return refuse(ErrWrongUsage, "the extended key usage of %s does not include clientAuth (RFC 5280 §4.2.1.12)", subjectText(cert))
		}
	}
	return nil
}

// pinned reports whether the authority that signed the leaf is one the bundle
// names. Name and key decide, not the certificate: a cross-certificate of the
// same authority is the same signer.
func (b *Bundle) pinned(signer *x509.Certificate) bool {
	return len(b.issuers) == 0 || slices.ContainsFunc(b.issuers, func(issuer *x509.Certificate) bool {
		return bytes.Equal(issuer.RawSubject, signer.RawSubject) &&
			bytes.Equal(issuer.RawSubjectPublicKeyInfo, signer.RawSubjectPublicKeyInfo)
	})
}

// forClients is the extended key usage rule, for the leaf and every authority
// above it alike: no such extension restricts nothing (RFC 5280 §4.2.1.12);
// where there is one, it must list clientAuth or anyExtendedKeyUsage. On an
// authority that is not the RFC's rule but everybody's, and only narrows.
func forClients(cert *x509.Certificate) bool {
	if len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) ||
		slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// signsHandshakes applies RFC 5280 §4.2.1.12: key usage, when present, must be
// consistent with clientAuth.
func signsHandshakes(leaf *x509.Certificate) bool {
	const consistent = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	return leaf.KeyUsage == 0 || leaf.KeyUsage&consistent != 0
}
