package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

const (
	newRSABits = 3072 // 128 bits of security
	minRSABits = 2048 // RFC 7518 §3.3
)

// publicJWK returns the public half as it is published; its KeyID is the RFC 7638
// thumbprint.
func publicJWK(key crypto.PublicKey, algorithm string) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: key, Algorithm: algorithm, Use: "sig"}
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
	if err := suits(key.Public(), algorithm); err != nil {
		return nil, fmt.Errorf("keys: import: %w", err)
	}
	return key, nil
}

// encode and decode are the form a private key has inside its envelope.
func encode(key crypto.Signer) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

// encodePublic is what is left in the envelope of a key that signs no more. The
// envelope goes on to say that the key is ours.
func encodePublic(key crypto.PublicKey) ([]byte, error) { return x509.MarshalPKIXPublicKey(key) }

// decode reads either form; the private half is nil where it was erased.
func decode(der []byte) (crypto.Signer, crypto.PublicKey, error) {
	if public, err := x509.ParsePKIXPublicKey(der); err == nil {
		return nil, public, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil { // may quote what it read
		return nil, nil, errors.New("it holds no PKCS#8 private key")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("it holds a %T, which cannot sign", parsed)
	}
	return key, key.Public(), nil
}
