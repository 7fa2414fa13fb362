package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
)

// KeyKind names a kind of key pair.
type KeyKind string

// The kinds of keys that are made. Ed25519 is not among them: too many TLS stacks
// and proxies of partners cannot present such a certificate.
const (
	P256    KeyKind = "ec-p256"
	P384    KeyKind = "ec-p384"
	RSA2048 KeyKind = "rsa-2048"
	RSA3072 KeyKind = "rsa-3072"
	RSA4096 KeyKind = "rsa-4096"

	DefaultKeyKind = P256
)

// KeyKinds are all kinds, the default first.
func KeyKinds() []string {
	return []string{string(P256), string(P384), string(RSA2048), string(RSA3072), string(RSA4096)}
}

// NewKey makes a key pair.
func NewKey(kind KeyKind) (key crypto.Signer, err error) {
	switch kind {
	case P256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		key, err = rsa.GenerateKey(rand.Reader, 4096)
	default:
		return nil, fmt.Errorf("ca: keys of kind %q are not made", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("ca: generating a key: %w", err)
	}
	return key, nil
}
