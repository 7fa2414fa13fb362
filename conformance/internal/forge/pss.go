package forge

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"slices"
)

// PS256 signs header and payload, RFC 7518 §3.5, the same way each time.
func PS256(key *rsa.PrivateKey, header, payload string) string {
	input := Encode(header, payload)
	return Signed(input, signPSS(key, input))
}

func signPSS(key *rsa.PrivateKey, input string) []byte {
	return seal(key, usualPSS(input).encode(key.Size()))
}

// pss is what goes into an encoded message, RFC 8017 §9.1.1.
type pss struct {
	hash, mask crypto.Hash
	message    []byte
	prefix     []byte // in front of digest and salt: eight zeros
	salt       []byte
	separator  byte
	padding    byte
	trailer    byte
}

func usualPSS(input string) pss {
	return pss{
		hash: crypto.SHA256, mask: crypto.SHA256, message: []byte(input),
		prefix: make([]byte, 8), salt: bytes.Repeat([]byte{0x5a}, 32), separator: 1, trailer: 0xbc,
	}
}

// encode makes a message for a key of size octets, all of whose bits are used.
func (p pss) encode(size int) []byte {
	h := sum(p.hash, p.prefix, sum(p.hash, p.message), p.salt)
	padding := bytes.Repeat([]byte{p.padding}, size-len(h)-len(p.salt)-2)
	db := slices.Concat(padding, []byte{p.separator}, p.salt)
	for i, octet := range mgf1(p.mask, h, len(db)) {
		db[i] ^= octet
	}
	db[0] &= 0x7f // emBits is one less than the bits of the modulus
	return slices.Concat(db, h, []byte{p.trailer})
}

// mgf1 is the mask of RFC 8017 appendix B.2.1.
func mgf1(hash crypto.Hash, seed []byte, length int) (out []byte) {
	for i := uint32(0); len(out) < length; i++ {
		out = append(out, sum(hash, seed, binary.BigEndian.AppendUint32(nil, i))...)
	}
	return out[:length]
}

func sum(hash crypto.Hash, parts ...[]byte) []byte {
	h := hash.New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// PS256Mutations are the ways to get a PSS signature wrong, made with the key for the
// input. A salt of another length than RFC 7518 §3.5 has is marked valid: whoever
// verifies by RFC 8017 takes it from the message, and only the key can have made it.
func PS256Mutations(key *rsa.PrivateKey, input string) []Mutation {
	good := signPSS(key, input)
	out := slices.Concat(Lengths(input, good), Spellings(input, good), rsaNumbers(key, input, good))
	add := func(name string, valid bool, change func(*pss)) {
		p := usualPSS(input)
		change(&p)
		out = append(out, Mutation{Name: name, Token: Signed(input, seal(key, p.encode(key.Size()))), Valid: valid})
	}
	header, payload := cutDot(input)
	for name, message := range map[string]string{
		"the header alone": header, "the payload alone": payload, "header and payload without the dot": header + payload,
		"the input and a dot": input + ".", "nothing": "", "the decoded payload": decoded(payload),
		"the digest": string(sum(crypto.SHA256, []byte(input))),
	} {
		add("signed over "+name, false, func(p *pss) { p.message = []byte(message) })
	}
	out = sorted(out)
	add("SHA-384", false, func(p *pss) { p.hash, p.mask = crypto.SHA384, crypto.SHA384 })
	add("SHA-512", false, func(p *pss) { p.hash, p.mask = crypto.SHA512, crypto.SHA512 })
	add("SHA-1", false, func(p *pss) { p.hash, p.mask = crypto.SHA1, crypto.SHA1 })
	add("mask of SHA-1", false, func(p *pss) { p.mask = crypto.SHA1 })
	add("no zeros in front of the digest", false, func(p *pss) { p.prefix = nil })
	add("separator 2", false, func(p *pss) { p.separator = 2 })
	add("no separator", false, func(p *pss) { p.separator = 0; p.salt = make([]byte, 32) })
	add("padding that is not zero", false, func(p *pss) { p.padding = 4 })
	add("trailer cc", false, func(p *pss) { p.trailer = 0xcc })
	add("trailer 0", false, func(p *pss) { p.trailer = 0 })
	add("no salt", true, func(p *pss) { p.salt = nil })
	add("salt of 20 octets", true, func(p *pss) { p.salt = p.salt[:20] })
	add("the longest salt", true, func(p *pss) { p.salt = make([]byte, key.Size()-34) })
	return append(out, Mutation{Name: "PKCS #1 v1.5", Token: Signed(input, SignRS256(key, input))})
}
