package forge

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/json"
	"math/big"
	"slices"
)

// order is that of the group Ed25519 computes in, RFC 8032 §5.1.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// EdDSA signs header and payload, RFC 8037 §3.1.
func EdDSA(key ed25519.PrivateKey, header, payload string) string {
	input := Encode(header, payload)
	return Signed(input, ed25519.Sign(key, []byte(input)))
}

// EdDSAMutations are the ways to get an Ed25519 signature wrong that have been
// found in implementations, made with the key for the input.
func EdDSAMutations(key ed25519.PrivateKey, input string) []Mutation {
	good := ed25519.Sign(key, []byte(input))
	out := slices.Concat(Lengths(input, good), Flips(input, good), Spellings(input, good))
	r, s := good[:32], good[32:]
	join := func(r, s []byte) string { return Signed(input, slices.Concat(r, s)) }
	zero, identity := make([]byte, 32), append([]byte{1}, make([]byte, 31)...)
	number := new(big.Int).SetBytes(reversed(s))
	for name, factor := range map[string]int64{"S plus the order": 1, "S plus twice the order": 2, "S plus eight times the order": 8} {
		more := new(big.Int).Add(number, new(big.Int).Mul(order, big.NewInt(factor)))
		out = append(out, Mutation{Name: name, Token: join(r, little(more))})
	}
	out = append(out,
		Mutation{Name: "S is 0", Token: join(r, zero)}, Mutation{Name: "R is 0", Token: join(zero, s)},
		Mutation{Name: "R is the identity", Token: join(identity, s)}, Mutation{Name: "R is the identity, S is 0", Token: join(identity, zero)},
		Mutation{Name: "S is the order", Token: join(r, little(order))}, Mutation{Name: "S negated", Token: join(r, little(new(big.Int).Sub(order, number)))},
		Mutation{Name: "R and S swapped", Token: join(s, r)}, Mutation{Name: "R big-endian", Token: join(reversed(r), s)}, Mutation{Name: "S big-endian", Token: join(r, reversed(s))},
		Mutation{Name: "R is the public key", Token: join(key.Public().(ed25519.PublicKey), s)})
	return append(sorted(out), edDSAMessages(key, input)...)
}

// edDSAMessages signs something near the input with the right key.
func edDSAMessages(key ed25519.PrivateKey, input string) []Mutation {
	header, payload := cutDot(input)
	digest := sha512.Sum512([]byte(input))
	with := func(message []byte, options *ed25519.Options) string {
		signature, err := key.Sign(nil, message, options)
		if err != nil {
			panic(err)
		}
		return Signed(input, signature)
	}
	return []Mutation{
		{Name: "Ed25519ph", Token: with(digest[:], &ed25519.Options{Hash: crypto.SHA512})},
		{Name: "Ed25519ctx", Token: with([]byte(input), &ed25519.Options{Context: "jwt"})},
		{Name: "signed over the digest", Token: with(digest[:], &ed25519.Options{})},
		{Name: "signed over the header alone", Token: with([]byte(header), &ed25519.Options{})},
		{Name: "signed over the payload alone", Token: with([]byte(payload), &ed25519.Options{})},
		{Name: "signed over the input and a dot", Token: with([]byte(input+"."), &ed25519.Options{})},
	}
}

// little writes a number as RFC 8032 §5.1.2 does; one that does not fit is longer.
func little(n *big.Int) []byte {
	return reversed(n.FillBytes(make([]byte, max(32, (n.BitLen()+7)/8))))
}

// EdDSAPrivateJWK is the private key as `dev --signing-key` reads it.
func EdDSAPrivateJWK(key ed25519.PrivateKey) []byte {
	out, err := json.Marshal(map[string]any{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
		"x": b64.EncodeToString(key.Public().(ed25519.PublicKey)), "d": b64.EncodeToString(key.Seed()),
	})
	if err != nil {
		panic(err)
	}
	return out
}
