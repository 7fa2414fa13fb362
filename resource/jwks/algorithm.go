package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms are the JWS algorithms that a key can be for: asymmetric ones only.
var Algorithms = []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"}

// minRSABits is from RFC 7518 §3.3 and §3.5.
const minRSABits = 2048

// Algorithm returns the one algorithm that key may be used with (RFC 8725 §3.1):
// its alg, which must fit its type, or the usual one of its type when it has
// none. Keys that are not public, too weak, or not for signatures are errors.
func Algorithm(key *jose.JSONWebKey) (jose.SignatureAlgorithm, error) {
	if key.Use != "" && key.Use != "sig" {
		return "", fmt.Errorf("jwks: key %q is not for signatures: use is %q", key.KeyID, key.Use)
	}
	fitting, err := fittingAlgorithms(key.Key)
	if err != nil {
		return "", fmt.Errorf("jwks: key %q: %w", key.KeyID, err)
	}
	if key.Algorithm == "" {
		return fitting[0], nil
	}
	alg := jose.SignatureAlgorithm(key.Algorithm)
	if !slices.Contains(fitting, alg) {
		return "", fmt.Errorf("jwks: key %q: alg %q does not fit its type", key.KeyID, key.Algorithm)
	}
	return alg, nil
}

// fittingAlgorithms are the algorithms that suit a public key, the usual one
// first.
func fittingAlgorithms(key any) ([]jose.SignatureAlgorithm, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return curveAlgorithm(key)
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}, nil
	case *rsa.PublicKey:
		if key.N == nil || key.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("RSA key has less than %d bits", minRSABits)
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, nil
	}
	return nil, errors.New("not a public key for signatures")
}

func curveAlgorithm(key *ecdsa.PublicKey) ([]jose.SignatureAlgorithm, error) {
	if key.Curve != nil {
		switch key.Curve.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}, nil
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}, nil
		}
	}
	return nil, errors.New("unsupported elliptic curve")
}
