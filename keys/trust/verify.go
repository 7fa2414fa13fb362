package trust

import (
	"bytes"
	"crypto/x509"
	"time"
)

// maxPresented is how many certificates a client may send besides its own.
const maxPresented = 10

// Verify returns nil when a path leads from leaf to an anchor at the given time
// (RFC 5280 §6.1) and every certificate on it may stand there for client
// authentication. The presented certificates help to find the path and are
// trusted for nothing. The error wraps one of the sentinels of this package. An
// accepted leaf is remembered until the first certificate on its path ends.
func (b *Bundle) Verify(leaf *x509.Certificate, presented []*x509.Certificate, now time.Time) error {
	now = now.Truncate(time.Second) // notAfter includes its whole second
	if err := b.admit(leaf, presented, now); err != nil {
		return err
	}
	leafHash, sent := hashOf(leaf), hashOf(presented...)
	if b.verdicts.accepted(leafHash, sent, now) {
		return nil
	}
	connected := b.connected(presented)
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         b.roots,
		Intermediates: b.pool(connected),
		CurrentTime:   now,
		// Usage is judged in judge, where the certificate at fault can be named.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return b.explain(leaf, presented, connected, now, err)
	}
	var first error
	for _, chain := range chains {
		err := b.judge(chain)
		if err == nil {
			b.verdicts.accept(leafHash, sent, chain)
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// admit refuses what needs no path to be refused.
func (b *Bundle) admit(leaf *x509.Certificate, presented []*x509.Certificate, now time.Time) error {
	switch {
	case leaf == nil || len(leaf.Raw) == 0:
		return refuse(ErrUntrusted, "there is no certificate")
	case now.IsZero(): // crypto/x509 would take the machine's clock instead
		return refuse(ErrUntrusted, "the current time is not known")
	case len(presented) > maxPresented:
		return refuse(ErrUntrusted, "%d certificates were sent with it, at most %d are considered", len(presented), maxPresented)
	case len(leaf.UnhandledCriticalExtensions) > 0:
		return refuse(ErrUntrusted, "%w: %s", errCriticalExtension, leaf.UnhandledCriticalExtensions[0])
	}
	if outside := period(leaf, now); outside != "" {
		return refuse(ErrUntrusted, "it %s", outside)
	}
	if b.holds(leaf) { // crypto/x509 takes an anchor itself for a path of length one
		return refuse(ErrWrongUsage, "it is an authority of bundle %s, not a client's certificate", b)
	}
	return nil
}

// connected returns the presented certificates that an authority of the bundle
// vouches for, directly or through others. Only these reach path building: a
// stranger cannot sign with our authorities' keys, so whatever loops and lookalikes
// are sent, each costs one signature check per authority of the name it claims.
func (b *Bundle) connected(presented []*x509.Certificate) []*x509.Certificate {
	var found, pending []*x509.Certificate
	adopt := func(cert *x509.Certificate, parents []*x509.Certificate) bool {
		for _, parent := range parents {
			if cert.CheckSignatureFrom(parent) == nil {
				found = append(found, cert)
				return true
			}
		}
		return false
	}
	for _, cert := range presented {
		// Keys are bounded here because a connected certificate's key is used
		// to check the next.
		if cert == nil || len(cert.Raw) == 0 || tooLarge(cert) {
			continue
		}
		if !adopt(cert, b.bySubject[string(cert.RawIssuer)]) {
			pending = append(pending, cert)
		}
	}
	for i := 0; i < len(found); i++ { // found grows on the way
		rest := pending
		pending = nil
		for _, cert := range rest {
			if !bytes.Equal(cert.RawIssuer, found[i].RawSubject) || !adopt(cert, found[i:i+1]) {
				pending = append(pending, cert)
			}
		}
	}
	return found
}

func (b *Bundle) pool(connected []*x509.Certificate) *x509.CertPool {
	if len(connected) == 0 {
		return b.helpers
	}
	pool := b.helpers.Clone()
	for _, cert := range connected {
		pool.AddCert(cert)
	}
	return pool
}
