package forge

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Mutation is one token made of a good one by changing one thing about its
// signature.
type Mutation struct {
	Name  string
	Token string
	// Valid marks the few that are another spelling of a valid signature by
	// mathematics, which JWS does not forbid.
	Valid bool
}

// Signed puts a signature behind the input.
func Signed(input string, signature []byte) string {
	return input + "." + b64.EncodeToString(signature)
}

// Lengths changes how long a signature is, and nothing else of its octets.
func Lengths(input string, signature []byte) []Mutation {
	var out []Mutation
	for name, s := range map[string][]byte{
		"empty": {}, "one octet": signature[:1], "first half": signature[:len(signature)/2], "second half": signature[len(signature)/2:],
		"without the first octet": signature[1:], "without the last octet": signature[:len(signature)-1],
		"a zero in front": append([]byte{0}, signature...), "a zero behind": append(slices.Clone(signature), 0),
		"twice": append(slices.Clone(signature), signature...), "reversed": reversed(signature),
		"eight kibibytes of zeros": make([]byte, 8<<10), "all ones": slices.Repeat([]byte{0xff}, len(signature)), "all zeros": make([]byte, len(signature)),
	} {
		out = append(out, Mutation{Name: name, Token: Signed(input, s)})
	}
	return sorted(out)
}

// Flips changes one bit of each octet.
func Flips(input string, signature []byte) []Mutation {
	var out []Mutation
	for i := range signature {
		s := slices.Clone(signature)
		s[i] ^= 1 << (i % 8)
		out = append(out, Mutation{Name: fmt.Sprintf("bit %d of octet %d", i%8, i), Token: Signed(input, s)})
	}
	return out
}

// Spellings writes a valid signature in ways that RFC 7515 §2 does not: base64url
// without padding, line breaks or anything else, and each value in one way only.
func Spellings(input string, signature []byte) []Mutation {
	good := b64.EncodeToString(signature)
	half := len(good) / 2
	out := []Mutation{
		{Name: "one sign of padding", Token: input + "." + good + "="},
		{Name: "base64 of base64", Token: Signed(input, []byte(good))},
		{Name: "hex", Token: input + "." + fmt.Sprintf("%x", signature)},
		{Name: "hex in base64", Token: Signed(input, fmt.Appendf(nil, "%x", signature))},
		{Name: "percent-encoded", Token: input + "." + fmt.Sprintf("%%%02X", good[0]) + good[1:]},
		{Name: "a dot within", Token: input + "." + good[:half] + "." + good[half:]},
		{Name: "a dot behind", Token: input + "." + good + "."},
		{Name: "a comma behind", Token: input + "." + good + ","},
		{Name: "a letter that is none", Token: input + "." + good[:half] + "!" + good[half+1:]},
		{Name: "a letter more", Token: input + "." + good + "A"},
		{Name: "a tilde behind", Token: input + "." + good + "~"},
		{Name: "a plus for the last letter", Token: input + "." + good[:len(good)-1] + "+"},
	}
	if other := base64.URLEncoding.EncodeToString(signature); other != good {
		out = slices.Insert(out, 0, Mutation{Name: "padded", Token: input + "." + other})
	}
	if other := strings.NewReplacer("-", "+", "_", "/").Replace(good); other != good {
		out = append(out, Mutation{Name: "standard alphabet", Token: input + "." + other})
	}
	return append(out, lastLetters(input, good)...)
}

// lastLetters changes the bits of the last letter that no octet holds.
func lastLetters(input, good string) (out []Mutation) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := map[int]int{2: 16, 3: 4}[len(good)%4] // spellings of the last octet
	value := strings.IndexByte(alphabet, good[len(good)-1])
	for i := 1; i < spare; i++ {
		out = append(out, Mutation{
			Name:  fmt.Sprintf("spare bits of the last letter, %d", i),
			Token: input + "." + good[:len(good)-1] + string(alphabet[value^i]),
		})
	}
	return out
}

func reversed(in []byte) []byte {
	out := slices.Clone(in)
	slices.Reverse(out)
	return out
}

// sorted gives lists that were made of maps one order.
func sorted(list []Mutation) []Mutation {
	slices.SortFunc(list, func(a, b Mutation) int { return strings.Compare(a.Name, b.Name) })
	return list
}
