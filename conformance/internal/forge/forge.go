// Package forge signs tokens that no honest server would issue. Header and
// payload are given as text, so that a test controls every byte: order,
// duplicates, types, case. Standard library only; it shares no code with what it
// attacks.
package forge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
)

var b64 = base64.RawURLEncoding

// NewKey returns a P-256 key.
func NewKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil { // crypto/rand does not fail
		panic(err)
	}
	return key
}

// Encode joins header and payload, unsigned, with the dot between them.
func Encode(header, payload string) string {
	return b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
}

// ES256 signs as RFC 7518 §3.4 says: R and S, 32 bytes each.
func ES256(key *ecdsa.PrivateKey, header, payload string) string {
	input := Encode(header, payload)
	r, s := ES256Values(key, input)
	return input + "." + b64.EncodeToString(append(r, s...))
}

// ES256Values signs the input and returns R and S, 32 bytes each.
func ES256Values(key *ecdsa.PrivateKey, input string) (r, s []byte) {
	digest := sha256.Sum256([]byte(input))
	bigR, bigS, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	return bigR.FillBytes(make([]byte, 32)), bigS.FillBytes(make([]byte, 32))
}

// ES256DER signs with the ASN.1 form of the signature, which JWS does not use.
func ES256DER(key *ecdsa.PrivateKey, header, payload string) string {
	input := Encode(header, payload)
	digest := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64.EncodeToString(der)
}

// HMAC signs with a secret, for instance the text of a public key.
func HMAC(alg string, secret []byte, header, payload string) string {
	newHash := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}[alg]
	mac := hmac.New(newHash, secret)
	input := Encode(header, payload)
	mac.Write([]byte(input))
	return input + "." + b64.EncodeToString(mac.Sum(nil))
}

// PublicJWK returns the members of the public key, required ones only and in
// the order RFC 7638 hashes them.
func PublicJWK(key *ecdsa.PrivateKey) string {
	point, err := key.PublicKey.Bytes() // 0x04, X, Y
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:]))
}

// KeyID is the RFC 7638 thumbprint of the key.
func KeyID(key *ecdsa.PrivateKey) string {
	digest := sha256.Sum256([]byte(PublicJWK(key)))
	return b64.EncodeToString(digest[:])
}

// PrivateJWK is the private key as `dev --signing-key` reads it.
func PrivateJWK(key *ecdsa.PrivateKey) []byte {
	var members map[string]any
	if err := json.Unmarshal([]byte(PublicJWK(key)), &members); err != nil {
		panic(err)
	}
	d, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	members["d"] = b64.EncodeToString(d)
	members["alg"], members["use"], members["kid"] = "ES256", "sig", KeyID(key)
	out, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return out
}

// Decode returns header and payload of a compact token as text.
func Decode(compact string) (header, payload string, err error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return "", "", fmt.Errorf("forge: %d parts, not three", len(parts))
	}
	h, err := b64.DecodeString(parts[0])
	if err != nil {
		return "", "", fmt.Errorf("forge: header: %w", err)
	}
	p, err := b64.DecodeString(parts[1])
	if err != nil {
		return "", "", fmt.Errorf("forge: payload: %w", err)
	}
	return string(h), string(p), nil
}
