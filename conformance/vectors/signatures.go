package vectors

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/certbound/certbound/conformance/internal/forge"
)

// signatures are good tokens whose signature was changed.
func signatures() *TokenFile {
	w := newWorld("Good tokens with a signature that was changed in one thing. Where S is negated modulo n the signature is valid by mathematics; JWS does not forbid it, and nothing may rely on a token having one spelling.")
	input := forge.Encode(header().text(), w.claims().text())
	w.mutations("es256", forge.ES256Mutations(ecKey("issuer"), input))
	input = forge.Encode(header().with("alg", "RS256").with("kid", "rs").text(), w.claims().text())
	w.mutations("rs256", forge.RS256Mutations(w.rsa, input))
	return w.file
}

func (w *world) mutations(alg string, list []forge.Mutation) {
	for _, m := range list {
		if m.Name == "PSS" || m.Name == "eight kibibytes of zeros" { // random, and beyond a limit that is ours
			continue
		}
		reason := "signature_invalid"
		if m.Valid {
			reason = ""
		}
		if !isCompact(m.Token) {
			reason = "token_malformed"
		}
		w.add(alg+": "+m.Name, m.Token, reason)
	}
}

// isCompact reports whether a token is three parts of base64url, the last in its
// one spelling.
func isCompact(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	_, err := strict.DecodeString(parts[2])
	return err == nil
}

// ordered ranges over a map by its keys.
func ordered[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
