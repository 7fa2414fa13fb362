// Package thumbprint implements the X.509 certificate SHA-256 thumbprint that
// binds an access token to a certificate: the x5t#S256 confirmation member of
// RFC 8705 §3.1. Standard library only.
package thumbprint

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
)

// Length is the number of characters of a thumbprint's only accepted text form:
// unpadded base64url of 32 bytes.
const Length = 43

// Thumbprint is the SHA-256 digest of a whole DER certificate. The zero value
// stands for "none" and equals nothing, not even itself.
type Thumbprint [sha256.Size]byte

// ErrMalformed is returned by Parse for anything but 43 characters of canonical
// unpadded base64url.
var ErrMalformed = errors.New("thumbprint: not 43 characters of canonical unpadded base64url (RFC 8705 §3.1)")

// strict refuses trailing bits that do not belong to the digest, so that one
// thumbprint has one text.
var strict = base64.RawURLEncoding.Strict()

// Of returns the thumbprint of a parsed certificate, or the zero value for nil.
func Of(cert *x509.Certificate) Thumbprint {
	if cert == nil || len(cert.Raw) == 0 {
		return Thumbprint{}
	}
	return sha256.Sum256(cert.Raw)
}

// Parse reads the text form. Padding, hex, the standard alphabet, line breaks
// and blanks are ErrMalformed.
func Parse(s string) (Thumbprint, error) {
	var t Thumbprint
	if len(s) != Length {
		return Thumbprint{}, ErrMalformed
	}
	// The decoder skips \r and \n, so the decoded length has to be checked.
	n, err := strict.Decode(t[:], []byte(s))
	if err != nil || n != len(t) {
		return Thumbprint{}, ErrMalformed
	}
	return t, nil
}

// String returns the text form, 43 characters.
func (t Thumbprint) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// IsZero reports whether t stands for "none".
func (t Thumbprint) IsZero() bool { return t == Thumbprint{} }

// Equal compares in constant time. Two zero values are not equal: the absence of
// a certificate never satisfies a binding.
func (t Thumbprint) Equal(other Thumbprint) bool {
	return subtle.ConstantTimeCompare(t[:], other[:]) == 1 && !t.IsZero()
}
