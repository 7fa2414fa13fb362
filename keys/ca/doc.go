// Package ca is the small private certificate authority of certbound: it makes
// roots and intermediates, and issues client and server certificates with fixed
// profiles (RFC 5280 §4). `certbound dev` stands on it.
//
// A profile is fixed on purpose: what a certificate may be used for is decided
// here and never copied from the asker. All encoding is crypto/x509's. The
// package must not depend on authz, resource or storage.
package ca
