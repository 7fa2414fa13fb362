package accesstoken

import (
	"errors"
	"fmt"
	"slices"
)

// answerRequires are the claims that an answer about an active token must have.
// RFC 7662 §2.2 leaves all of them to the server; without these nobody could say
// whose answer it is, for whom, and until when.
var answerRequires = []string{"iss", "client_id", "aud", "exp"}

// ParseIntrospection reads the answer of an introspection endpoint (RFC 7662
// §2.2), by the table that tokens are read by: names by case, nothing twice,
// times as whole seconds, and a confirmation of RFC 8705 §3.2 as strict as in a
// token. It reports whether the token is active; the claims count only if it is.
//
// iss, client_id, aud and exp are required. Without a confirmation the Thumbprint
// is zero, and the caller has to decide; one by another method only is
// [ErrUnbound]. Any other error wraps [ErrMalformed].
func ParseIntrospection(answer []byte) (*Claims, bool, error) {
	members, err := object(answer)
	if err != nil {
		return nil, false, fmt.Errorf("%w: introspection answer: %w", ErrMalformed, err)
	}
	switch string(members["active"]) {
	case "false":
		return nil, false, nil
	case "true":
	default:
		return nil, false, fmt.Errorf("%w: introspection answer: active is neither true nor false", ErrMalformed)
	}
	c := &Claims{}
	for i := range table {
		row := &table[i]
		raw, ok := members[row.name]
		if !ok {
			if slices.Contains(answerRequires, row.name) {
				return nil, false, fmt.Errorf("%w: introspection answer: %s is missing", ErrMalformed, row.name)
			}
			continue
		}
		if err := row.read(c, raw); err != nil {
			if errors.Is(err, ErrUnbound) {
				return nil, false, err
			}
			return nil, false, fmt.Errorf("%w: introspection answer: %s %w", ErrMalformed, row.name, err)
		}
	}
	return c, true, nil
}
