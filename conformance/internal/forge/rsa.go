package forge

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

// The DigestInfo of a SHA-256 digest, RFC 8017 §9.2 note 1, and how others have
// written it.
var (
	infoSHA256   = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	infoNoParams = []byte{0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20}
	infoLong     = []byte{0x30, 0x81, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	infoSHA512   = []byte{0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40}
)

// SignRS256 signs the input, RFC 7518 §3.3.
func SignRS256(key *rsa.PrivateKey, input string) []byte {
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return signature
}

// RS256 signs header and payload.
func RS256(key *rsa.PrivateKey, header, payload string) string {
	input := Encode(header, payload)
	return Signed(input, SignRS256(key, input))
}

// RS256Mutations are the ways to get a PKCS #1 v1.5 signature wrong that have been
// found in implementations, made with the key for the input.
func RS256Mutations(key *rsa.PrivateKey, input string) []Mutation {
	good := SignRS256(key, input)
	out := slices.Concat(Lengths(input, good), Spellings(input, good))
	out = append(out, rsaNumbers(key, input, good)...)
	digest := sha256.Sum256([]byte(input))
	for _, block := range rs256Blocks(key.Size(), digest[:]) {
		out = append(out, Mutation{Name: block.name, Token: Signed(input, seal(key, block.octets))})
	}
	pss, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
	if err != nil {
		panic(err)
	}
	return append(out, Mutation{Name: "PSS", Token: Signed(input, pss)})
}

// rsaNumbers puts the borders of what a signature may be in its place.
func rsaNumbers(key *rsa.PrivateKey, input string, good []byte) (out []Mutation) {
	size := len(good)
	one := big.NewInt(1)
	for name, value := range map[string]*big.Int{
		"0": new(big.Int), "1": one, "n": key.N, "n - 1": new(big.Int).Sub(key.N, one), "n + 1": new(big.Int).Add(key.N, one),
		"itself negated": new(big.Int).Sub(key.N, new(big.Int).SetBytes(good)), "the exponent": big.NewInt(int64(key.E)),
	} {
		out = append(out, Mutation{Name: "the signature is " + name, Token: Signed(input, value.FillBytes(make([]byte, size)))})
	}
	more := new(big.Int).Add(new(big.Int).SetBytes(good), key.N)
	out = append(out, Mutation{Name: "the signature plus n", Token: Signed(input, more.FillBytes(make([]byte, size+1)))})
	return sorted(out)
}

// seal applies the private key to a block as it is.
func seal(key *rsa.PrivateKey, block []byte) []byte {
	m := new(big.Int).SetBytes(block)
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

type block struct {
	name   string
	octets []byte
}

// rs256Blocks are encoded messages of a key's size that a lenient reader takes for
// 00 01 FF … FF 00 DigestInfo digest.
func rs256Blocks(size int, digest []byte) []block {
	padded := func(head []byte, fill byte, tail ...[]byte) []byte {
		end := slices.Concat(tail...)
		middle := bytes.Repeat([]byte{fill}, size-len(head)-1-len(end))
		return slices.Concat(head, middle, []byte{0}, end)
	}
	short := func(tail ...[]byte) []byte { // eight octets of padding, and what follows is at the front
		front := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 8), []byte{0}, slices.Concat(tail...))
		return append(front, make([]byte, size-len(front))...)
	}
	usual := []byte{0, 1}
	wide := sha256.Sum256(digest)
	return []block{
		{"no DigestInfo", padded(usual, 0xff, digest)},
		{"DigestInfo without parameters", padded(usual, 0xff, infoNoParams, digest)},
		{"DigestInfo with a long length", padded(usual, 0xff, infoLong, digest)},
		{"DigestInfo of another hash", padded(usual, 0xff, infoSHA512, digest, digest)},
		{"digest of the digest", padded(usual, 0xff, infoSHA256, wide[:])},
		{"digest cut short", padded(usual, 0xff, infoSHA256, digest[:31])},
		{"octets behind the digest", padded(usual, 0xff, infoSHA256, digest, []byte{0, 0})},
		{"short padding and garbage", short(infoSHA256, digest)},
		{"no padding", append(slices.Concat(usual, []byte{0}, infoSHA256, digest), make([]byte, size-3-len(infoSHA256)-len(digest))...)},
		{"block type 0", padded([]byte{0, 0}, 0, infoSHA256, digest)},
		{"block type 2", padded([]byte{0, 2}, 0xff, infoSHA256, digest)},
		{"padded with other octets", padded(usual, 0xfe, infoSHA256, digest)},
		{"zero within the padding", append([]byte{0, 1, 0xff, 0xff, 0}, padded([]byte{0xff}, 0xff, infoSHA256, digest)[5:]...)},
		{"nothing but padding", append(usual, bytes.Repeat([]byte{0xff}, size-2)...)},
	}
}

// RSAPrivateJWK is the private key as `dev --signing-key` reads it, for alg.
func RSAPrivateJWK(key *rsa.PrivateKey, alg, kid string) []byte {
	n := func(v *big.Int) string { return b64.EncodeToString(v.Bytes()) }
	out, err := json.Marshal(map[string]any{
		"kty": "RSA", "alg": alg, "use": "sig", "kid": kid, "n": n(key.N), "e": n(big.NewInt(int64(key.E))),
		"d": n(key.D), "p": n(key.Primes[0]), "q": n(key.Primes[1]),
		"dp": n(key.Precomputed.Dp), "dq": n(key.Precomputed.Dq), "qi": n(key.Precomputed.Qinv),
	})
	if err != nil {
		panic(err)
	}
	return out
}

// cutDot splits a signing input.
func cutDot(input string) (header, payload string) {
	header, payload, _ = strings.Cut(input, ".")
	return header, payload
}

func decoded(part string) string {
	out, err := b64.DecodeString(part)
	if err != nil {
		panic(err)
	}
	return string(out)
}
