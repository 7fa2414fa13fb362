package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
)

// Algorithms a ring signs with, RFC 7518 §3.1 and RFC 8037 §3.1. RFC 9068 §2.1
// asks for RS256; ES256 is the default, because signing is 30 times cheaper.
const (
	ES256 = "ES256"
	ES384 = "ES384"
	EdDSA = "EdDSA" // Ed25519
	PS256 = "PS256"
	RS256 = "RS256"
)

// Algorithms returns all that a ring can sign with, the default first.
func Algorithms() []string { return []string{ES256, ES384, EdDSA, PS256, RS256} }

// CheckAlgorithm returns an error that names the choices unless a ring can sign
// with algorithm.
func CheckAlgorithm(algorithm string) error {
	if all := Algorithms(); !slices.Contains(all, algorithm) {
		last := len(all) - 1
		return fmt.Errorf("keys: algorithm %q is not supported: use %s or %s", algorithm, strings.Join(all[:last], ", "), all[last])
	}
	return nil
}

// generate makes a private key for an algorithm.
func generate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case PS256, RS256:
		return rsa.GenerateKey(rand.Reader, newRSABits)
	}
	return nil, CheckAlgorithm(algorithm)
}

// suits reports whether a key is one for algorithm: each key has one algorithm
// for its whole life (RFC 8725 §3.1).
func suits(key crypto.PublicKey, algorithm string) error {
	fits := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		fits = algorithm == ES256 && k.Curve == elliptic.P256() || algorithm == ES384 && k.Curve == elliptic.P384()
	case ed25519.PublicKey:
		fits = algorithm == EdDSA
	case *rsa.PublicKey:
		fits = algorithm == RS256 || algorithm == PS256
		if fits && k.N.BitLen() < minRSABits {
			return fmt.Errorf("keys: an RSA key of %d bits is too short: %d or more", k.N.BitLen(), minRSABits)
		}
	}
	if !fits {
		return fmt.Errorf("keys: a key of type %T is not one for %s", key, algorithm)
	}
	return nil
}
