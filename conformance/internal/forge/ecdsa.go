package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	_ "crypto/sha1"   //nolint:gosec // a digest that must not be accepted
	_ "crypto/sha512" // likewise
	"encoding/asn1"
	"math/big"
	"slices"
)

// SignES256 signs the input the same way each time (RFC 6979), as R and S, 32
// bytes each.
func SignES256(key *ecdsa.PrivateKey, input string) []byte {
	r, s := signOver(key, crypto.SHA256, []byte(input))
	return raw(r, s)
}

// signOver signs a digest of the message as a pair of numbers.
func signOver(key *ecdsa.PrivateKey, hash crypto.Hash, message []byte) (r, s *big.Int) {
	h := hash.New()
	h.Write(message)
	return signDigest(key, hash, h.Sum(nil))
}

func signDigest(key *ecdsa.PrivateKey, hash crypto.Hash, digest []byte) (r, s *big.Int) {
	der, err := key.Sign(nil, digest, hash) // without randomness it is deterministic
	if err != nil {
		panic(err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		panic(err)
	}
	return pair.R, pair.S
}

// raw is the form of RFC 7518 §3.4; numbers that do not fit make it longer.
func raw(r, s *big.Int) []byte {
	size := max(32, (r.BitLen()+7)/8, (s.BitLen()+7)/8)
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// ES256Mutations are the ways to get an ECDSA signature wrong that have been
// found in implementations, made of a good one for the input.
func ES256Mutations(key *ecdsa.PrivateKey, input string) []Mutation {
	r, s := signOver(key, crypto.SHA256, []byte(input))
	good := raw(r, s)
	out := slices.Concat(Lengths(input, good), Flips(input, good), Spellings(input, good))
	out = append(out, es256Numbers(input, r, s)...)
	out = append(out, es256Forms(input, r, s)...)
	return append(out, es256Digests(key, input)...)
}

// es256Numbers puts the borders of what R and S may be in their place.
func es256Numbers(input string, r, s *big.Int) (out []Mutation) {
	n, p := elliptic.P256().Params().N, elliptic.P256().Params().P
	one := big.NewInt(1)
	minus := func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
	plus := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
	full := minus(new(big.Int).Lsh(one, 256), one)
	borders := []struct {
		name  string
		value *big.Int
	}{
		{"0", new(big.Int)}, {"1", one}, {"n - 1", minus(n, one)}, {"n", n}, {"n + 1", plus(n, one)}, {"p", p}, {"2^256 - 1", full},
	}
	for _, b := range borders {
		out = append(out,
			Mutation{Name: "R is " + b.name, Token: Signed(input, raw(b.value, s))},
			Mutation{Name: "S is " + b.name, Token: Signed(input, raw(r, b.value))},
			Mutation{Name: "R and S are " + b.name, Token: Signed(input, raw(b.value, b.value))})
	}
	return append(out,
		Mutation{Name: "S negated modulo n", Token: Signed(input, raw(r, minus(n, s))), Valid: true},
		Mutation{Name: "R negated modulo n", Token: Signed(input, raw(minus(n, r), s))},
		Mutation{Name: "R plus n", Token: Signed(input, raw(plus(r, n), s))},
		Mutation{Name: "S plus n", Token: Signed(input, raw(r, plus(s, n)))},
		Mutation{Name: "R modulo p minus n", Token: Signed(input, raw(new(big.Int).Mod(r, minus(p, n)), s))},
		Mutation{Name: "R and S swapped", Token: Signed(input, raw(s, r))},
		Mutation{Name: "R twice", Token: Signed(input, raw(r, r))},
		Mutation{Name: "S twice", Token: Signed(input, raw(s, s))},
		Mutation{Name: "R is 1, S is 0", Token: Signed(input, raw(one, new(big.Int)))},
		Mutation{Name: "R is 0, S is 1", Token: Signed(input, raw(new(big.Int), one))})
}

// es256Forms writes the numbers as other formats do.
func es256Forms(input string, r, s *big.Int) []Mutation {
	n := elliptic.P256().Params().N
	der := func(r, s *big.Int) []byte {
		out, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			panic(err)
		}
		return out
	}
	good := der(r, s)
	long := append([]byte{0x30, 0x81, good[1]}, good[2:]...)
	wide := func(n *big.Int) []byte { return n.FillBytes(make([]byte, 33)) }
	p384 := func(n *big.Int) []byte { return n.FillBytes(make([]byte, 48)) }
	return []Mutation{
		{Name: "DER", Token: Signed(input, good)},
		{Name: "DER with a long length", Token: Signed(input, long)},
		{Name: "DER with a negative S", Token: Signed(input, der(r, new(big.Int).Neg(s)))},
		{Name: "DER with S minus n", Token: Signed(input, der(r, new(big.Int).Sub(s, n)))},
		{Name: "DER and octets behind it", Token: Signed(input, append(slices.Clone(good), 0, 0))},
		{Name: "33 octets each", Token: Signed(input, append(wide(r), wide(s)...))},
		{Name: "48 octets each", Token: Signed(input, append(p384(r), p384(s)...))},
		{Name: "R of 33 octets", Token: Signed(input, append(wide(r), s.FillBytes(make([]byte, 32))...))},
		{Name: "little-endian", Token: Signed(input, append(reversed(r.FillBytes(make([]byte, 32))), reversed(s.FillBytes(make([]byte, 32)))...))},
		{Name: "numbers in decimal", Token: Signed(input, []byte(r.String()+","+s.String()))},
	}
}

// es256Digests signs something near the input with the right key.
func es256Digests(key *ecdsa.PrivateKey, input string) (out []Mutation) {
	header, payload := cutDot(input)
	over := func(name string, hash crypto.Hash, message string) {
		r, s := signOver(key, hash, []byte(message))
		out = append(out, Mutation{Name: "signed over " + name, Token: Signed(input, raw(r, s))})
	}
	over("the header alone", crypto.SHA256, header)
	over("the payload alone", crypto.SHA256, payload)
	over("header and payload without the dot", crypto.SHA256, header+payload)
	over("the input and a dot", crypto.SHA256, input+".")
	over("the input and a line break", crypto.SHA256, input+"\n")
	over("nothing", crypto.SHA256, "")
	over("the decoded payload", crypto.SHA256, decoded(payload))
	over("a SHA-1 digest", crypto.SHA1, input)
	over("a SHA-384 digest", crypto.SHA384, input)
	over("a SHA-512 digest", crypto.SHA512, input)
	h := crypto.SHA256.New()
	h.Write([]byte(input))
	over("the digest of the digest", crypto.SHA256, string(h.Sum(nil)))
	return out
}
