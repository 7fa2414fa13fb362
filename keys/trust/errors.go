package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/keys/dn"
)

// What Verify refuses with; each is wrapped with the detail for an operator.
var (
	// ErrUntrusted: no valid path leads from the certificate to an anchor.
	ErrUntrusted = errors.New("trust: the certificate is not trusted")
	// ErrChainIncomplete: no path, because the certificate of an authority is
	// missing that looks like one below our anchors. The rule: following issuer
	// names from the leaf ends at a name of which neither the bundle nor the
	// client has a certificate; some authority of the bundle may have others
	// below it (its path length is not 0) and shares an organizationName with the
	// missing one; and no other bundle of the set holds the missing one. Without
	// that kinship a stranger's leaf sent alone looks just the same, and the
	// answer is ErrUntrusted, with the same advice in its detail.
	ErrChainIncomplete = errors.New("trust: the certificate chain is incomplete")
	// ErrWrongUsage: there is a path, but not for client authentication.
	ErrWrongUsage = errors.New("trust: the certificate is not for client authentication")
	// ErrExpiredIssuer: there would be a path if an authority on it were not
	// expired, or not yet valid.
	ErrExpiredIssuer = errors.New("trust: a certificate authority on the path is outside its validity period")
)

func refuse(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{sentinel}, args...)...)
}

// subjectText and issuerText name a certificate in messages, safe for a log.
func subjectText(cert *x509.Certificate) string { return nameText(cert.RawSubject, &cert.Subject) }

func issuerText(cert *x509.Certificate) string { return nameText(cert.RawIssuer, &cert.Issuer) }

// maxPrintedName bounds a name in a message, DER: pkix takes time that grows with
// the square of the number of attributes.
const maxPrintedName = 1 << 10

// nameText falls back to quoting what crypto/x509 makes of a name that is too
// strange for package dn.
func nameText(raw []byte, fallback *pkix.Name) string {
	if len(raw) > maxPrintedName {
		return fmt.Sprintf("(a name of %d bytes)", len(raw))
	}
	name, err := dn.FromDER(raw)
	switch {
	case err != nil:
		return fmt.Sprintf("%+q", fallback.String())
	case name.IsEmpty():
		return "(no name)"
	}
	return name.String()
}

// period says how now lies outside a certificate's validity, or "".
func period(cert *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(cert.NotBefore):
		return "is not valid before " + stamp(cert.NotBefore)
	case now.After(cert.NotAfter):
		return "expired at " + stamp(cert.NotAfter)
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
