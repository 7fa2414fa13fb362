package jwks

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxKeys is far above what an issuer publishes, and bounds the work of a set.
const maxKeys = 100

// Set is a fixed set of keys: for tests, and for issuers whose keys are
// configured.
type Set []jose.JSONWebKey

// Keys returns the keys that carry kid. The slice may be a part of the set and
// must not be changed.
func (s Set) Keys(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	return s.byID(kid), nil
}

// byID allocates only for a set in which keys of one kid do not stand together.
func (s Set) byID(kid string) []jose.JSONWebKey {
	first := s.index(kid)
	if first < 0 {
		return nil
	}
	end := first + 1
	for end < len(s) && s[end].KeyID == kid {
		end++
	}
	found := s[first:end:end]
	for i := end; i < len(s); i++ {
		if s[i].KeyID == kid {
			found = append(found, s[i]) // a copy: found has no room
		}
	}
	return found
}

func (s Set) index(kid string) int {
	for i := range s { // not slices.IndexFunc, which copies each key
		if s[i].KeyID == kid {
			return i
		}
	}
	return -1
}

// keep puts the keys of old into s where they are the same ones, so that whoever
// holds on to a key sees that it is still there by looking at the pointer.
func (s Set) keep(old Set) {
	for i := range s {
		for j := range old {
			if s[i].KeyID == old[j].KeyID && sameKey(s[i].Key, old[j].Key) {
				s[i].Key = old[j].Key
			}
		}
	}
}

// sameKey compares public keys. All kinds that [Algorithm] knows can be compared.
func sameKey(a, b any) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// Parse reads a JWK Set and keeps what can verify signatures. Keys of unknown
// kind, for other uses, too weak, without kid, or broken are left out and do not
// spoil the rest (RFC 7517 §5).
func Parse(data []byte) (Set, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("jwks: not a JWK Set: %w", err)
	}
	switch {
	case document.Keys == nil:
		return nil, errors.New("jwks: not a JWK Set: no keys member")
	case len(document.Keys) > maxKeys:
		return nil, fmt.Errorf("jwks: more than %d keys in the set", maxKeys)
	}
	set := Set{}
	for _, raw := range document.Keys {
		if key, ok := parseKey(raw); ok {
			set = append(set, key)
		}
	}
	return set, nil
}

// parseKey reports whether raw is a key that may verify signatures. key_ops is
// read here because go-jose drops it (RFC 7517 §4.3).
func parseKey(raw json.RawMessage) (jose.JSONWebKey, bool) {
	var members struct {
		Operations *[]string `json:"key_ops"`
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return jose.JSONWebKey{}, false
	}
	if members.Operations != nil && !slices.Contains(*members.Operations, "verify") {
		return jose.JSONWebKey{}, false
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil || key.KeyID == "" {
		return jose.JSONWebKey{}, false
	}
	if _, err := Algorithm(&key); err != nil { // private and symmetric ones too
		return jose.JSONWebKey{}, false
	}
	return key, true
}
