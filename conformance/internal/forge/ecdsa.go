package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	_ "crypto/sha1"   //nolint:gosec // a digest that must not be accepted
	_ "crypto/sha512" // likewise
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// SignES256 signs the input the same way each time (RFC 6979), as R and S, 32
// bytes each.
func SignES256(key *ecdsa.PrivateKey, input string) []byte { return signECDSA(key, input) }

// ES384 signs header and payload with a P-384 key.
func ES384(key *ecdsa.PrivateKey, header, payload string) string {
	input := Encode(header, payload)
	return Signed(input, signECDSA(key, input))
}

func signECDSA(key *ecdsa.PrivateKey, input string) []byte {
	f := formOf(key)
	r, s := signOver(key, f.hash, []byte(input))
	return f.raw(r, s)
}

// form is how the numbers of a curve's signature are written, RFC 7518 §3.4.
type form struct {
	curve      *elliptic.CurveParams
	size       int // octets of a number
	hash       crypto.Hash
	otherSize  int // of another curve
	otherHash  crypto.Hash
	otherShort string
}

func formOf(key *ecdsa.PrivateKey) form {
	if key.Curve == elliptic.P384() {
		return form{key.Params(), 48, crypto.SHA384, 66, crypto.SHA256, "SHA-256"}
	}
	return form{key.Params(), 32, crypto.SHA256, 48, crypto.SHA384, "SHA-384"}
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
func (f form) raw(r, s *big.Int) []byte {
	size := max(f.size, (r.BitLen()+7)/8, (s.BitLen()+7)/8)
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// ES256Mutations are the ways to get an ECDSA signature wrong that have been
// found in implementations, made of a good one for the input.
func ES256Mutations(key *ecdsa.PrivateKey, input string) []Mutation {
	return ecdsaMutations(key, input)
}

// ES384Mutations are those of a P-384 key.
func ES384Mutations(key *ecdsa.PrivateKey, input string) []Mutation {
	return ecdsaMutations(key, input)
}

func ecdsaMutations(key *ecdsa.PrivateKey, input string) []Mutation {
	f := formOf(key)
	r, s := signOver(key, f.hash, []byte(input))
	good := f.raw(r, s)
	out := slices.Concat(Lengths(input, good), Flips(input, good), Spellings(input, good))
	out = append(out, f.numbers(input, r, s)...)
	out = append(out, f.writings(input, r, s)...)
	return append(out, f.digests(key, input)...)
}

// numbers puts the borders of what R and S may be in their place.
func (f form) numbers(input string, r, s *big.Int) (out []Mutation) {
	n, p := f.curve.N, f.curve.P
	one := big.NewInt(1)
	minus := func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
	plus := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
	full := minus(new(big.Int).Lsh(one, uint(8*f.size)), one)
	borders := []struct {
		name  string
		value *big.Int
	}{
		{"0", new(big.Int)}, {"1", one}, {"n - 1", minus(n, one)}, {"n", n}, {"n + 1", plus(n, one)}, {"p", p}, {fmt.Sprintf("2^%d - 1", 8*f.size), full},
	}
	for _, b := range borders {
		out = append(out,
			Mutation{Name: "R is " + b.name, Token: Signed(input, f.raw(b.value, s))},
			Mutation{Name: "S is " + b.name, Token: Signed(input, f.raw(r, b.value))},
			Mutation{Name: "R and S are " + b.name, Token: Signed(input, f.raw(b.value, b.value))})
	}
	return append(out,
		Mutation{Name: "S negated modulo n", Token: Signed(input, f.raw(r, minus(n, s))), Valid: true},
		Mutation{Name: "R negated modulo n", Token: Signed(input, f.raw(minus(n, r), s))},
		Mutation{Name: "R plus n", Token: Signed(input, f.raw(plus(r, n), s))},
		Mutation{Name: "S plus n", Token: Signed(input, f.raw(r, plus(s, n)))},
		Mutation{Name: "R modulo p minus n", Token: Signed(input, f.raw(new(big.Int).Mod(r, minus(p, n)), s))},
		Mutation{Name: "R and S swapped", Token: Signed(input, f.raw(s, r))},
		Mutation{Name: "R twice", Token: Signed(input, f.raw(r, r))},
		Mutation{Name: "S twice", Token: Signed(input, f.raw(s, s))},
		Mutation{Name: "R is 1, S is 0", Token: Signed(input, f.raw(one, new(big.Int)))},
		Mutation{Name: "R is 0, S is 1", Token: Signed(input, f.raw(new(big.Int), one))})
}

// writings writes the numbers as other formats do.
func (f form) writings(input string, r, s *big.Int) []Mutation {
	n := f.curve.N
	der := func(r, s *big.Int) []byte {
		out, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			panic(err)
		}
		return out
	}
	good := der(r, s)
	long := append([]byte{0x30, 0x81, good[1]}, good[2:]...)
	in := func(size int, n *big.Int) []byte { return n.FillBytes(make([]byte, size)) }
	return []Mutation{
		{Name: "DER", Token: Signed(input, good)},
		{Name: "DER with a long length", Token: Signed(input, long)},
		{Name: "DER with a negative S", Token: Signed(input, der(r, new(big.Int).Neg(s)))},
		{Name: "DER with S minus n", Token: Signed(input, der(r, new(big.Int).Sub(s, n)))},
		{Name: "DER and octets behind it", Token: Signed(input, append(slices.Clone(good), 0, 0))},
		{Name: fmt.Sprintf("%d octets each", f.size+1), Token: Signed(input, append(in(f.size+1, r), in(f.size+1, s)...))},
		{Name: fmt.Sprintf("%d octets each", f.otherSize), Token: Signed(input, append(in(f.otherSize, r), in(f.otherSize, s)...))},
		{Name: fmt.Sprintf("R of %d octets", f.size+1), Token: Signed(input, append(in(f.size+1, r), in(f.size, s)...))},
		{Name: "little-endian", Token: Signed(input, append(reversed(in(f.size, r)), reversed(in(f.size, s))...))},
		{Name: "numbers in decimal", Token: Signed(input, []byte(r.String()+","+s.String()))},
	}
}

// digests signs something near the input with the right key.
func (f form) digests(key *ecdsa.PrivateKey, input string) (out []Mutation) {
	header, payload := cutDot(input)
	over := func(name string, hash crypto.Hash, message string) {
		r, s := signOver(key, hash, []byte(message))
		out = append(out, Mutation{Name: "signed over " + name, Token: Signed(input, f.raw(r, s))})
	}
	over("the header alone", f.hash, header)
	over("the payload alone", f.hash, payload)
	over("header and payload without the dot", f.hash, header+payload)
	over("the input and a dot", f.hash, input+".")
	over("the input and a line break", f.hash, input+"\n")
	over("nothing", f.hash, "")
	over("the decoded payload", f.hash, decoded(payload))
	over("a SHA-1 digest", crypto.SHA1, input)
	over("a "+f.otherShort+" digest", f.otherHash, input)
	over("a SHA-512 digest", crypto.SHA512, input)
	h := f.hash.New()
	h.Write([]byte(input))
	over("the digest of the digest", f.hash, string(h.Sum(nil)))
	return out
}

// ES384PrivateJWK is the private key as `dev --signing-key` reads it.
func ES384PrivateJWK(key *ecdsa.PrivateKey) []byte {
	point, err := key.PublicKey.Bytes() // 0x04, X, Y
	if err != nil {
		panic(err)
	}
	d, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	out, err := json.Marshal(map[string]any{
		"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig",
		"x": b64.EncodeToString(point[1:49]), "y": b64.EncodeToString(point[49:]), "d": b64.EncodeToString(d),
	})
	if err != nil {
		panic(err)
	}
	return out
}
