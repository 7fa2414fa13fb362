package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms a ring signs with. RFC 9068 §2.1 asks for RS256; ES256 is the
// default, because signing is 30 times cheaper.
const (
	ES256 = "ES256"
	RS256 = "RS256"
)

const (
	newRSABits = 3072 // 128 bits of security
	minRSABits = 2048 // RFC 7518 §3.3
)

// generate makes a private key for an algorithm.
func generate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		return rsa.GenerateKey(rand.Reader, newRSABits)
	}
	return nil, fmt.Errorf("keys: algorithm %q is not supported: use ES256 or RS256", algorithm)
}

// suits reports whether key may sign with algorithm.
func suits(key crypto.Signer, algorithm string) error {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if algorithm == ES256 && k.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PrivateKey:
		if algorithm == RS256 && k.N.BitLen() < minRSABits {
			return fmt.Errorf("keys: an RSA key of %d bits is too short: %d or more", k.N.BitLen(), minRSABits)
		}
		if algorithm == RS256 {
			return nil
		}
	}
	return fmt.Errorf("keys: a key of type %T is not one for %s", key.Public(), algorithm)
}

// publicJWK returns the public half as it is published; its KeyID is the RFC 7638
// thumbprint.
func publicJWK(key crypto.Signer, algorithm string) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: key.Public(), Algorithm: algorithm, Use: "sig"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("keys: thumbprint: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return jwk, nil
}

// privateKey returns the private key in an imported JWK. Its kid is not looked
// at: ours is the thumbprint.
func privateKey(jwk *jose.JSONWebKey, algorithm string) (crypto.Signer, error) {
	key, ok := jwk.Key.(crypto.Signer)
	if !ok || !jwk.Valid() {
		return nil, errors.New("keys: import: the JWK holds no valid private key")
	}
	if jwk.Algorithm != "" && jwk.Algorithm != algorithm {
		return nil, fmt.Errorf("keys: import: the JWK is for %s, not %s", jwk.Algorithm, algorithm)
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return nil, fmt.Errorf("keys: import: the JWK is for use %q, not \"sig\"", jwk.Use)
	}
	if err := suits(key, algorithm); err != nil {
		return nil, fmt.Errorf("keys: import: %w", err)
	}
	return key, nil
}

// encode and decode are the form a private key has inside its envelope.
func encode(key crypto.Signer) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

func decode(der []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil { // may quote what it read
		return nil, errors.New("it holds no PKCS#8 private key")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("it holds a %T, which cannot sign", parsed)
	}
	return key, nil
}
