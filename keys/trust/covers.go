package trust

import (
	"bytes"
	"crypto/x509"
	"slices"
)

// Covers reports whether b plainly accepts every certificate that other accepts: it
// has all authorities of other, demands no issuer that other does not, and allows
// paths as long. When it says no, single certificates have to be asked about.
func (b *Bundle) Covers(other *Bundle) bool {
	if b.maxDepth < other.maxDepth || !holdsAll(b.anchors, other.anchors) ||
		!holdsAll(slices.Concat(b.intermediates, b.issuers, b.anchors), slices.Concat(other.intermediates, other.issuers)) {
		return false
	}
	return len(b.issuers) == 0 || len(other.issuers) > 0 && holdsAll(b.issuers, other.issuers)
}

// holdsAll reports whether every one of wanted is among certs.
func holdsAll(certs, wanted []*x509.Certificate) bool {
	return !slices.ContainsFunc(wanted, func(w *x509.Certificate) bool {
		return !slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, w.Raw) })
	})
}
