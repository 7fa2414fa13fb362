package accesstoken

import (
	"fmt"

	"github.com/go-jose/go-jose/v4/json"
)

// usualSize is room for a payload without growing.
const usualSize = 640

// Marshal returns the payload of an access token. It refuses what Parse would not
// read, in the same words: both go by the rules of the table.
func (c *Claims) Marshal() ([]byte, error) {
	if c.Thumbprint.IsZero() {
		return nil, fmt.Errorf("%w: there is no cnf claim", ErrUnbound)
	}
	b := append(make([]byte, 0, usualSize), '{')
	for i := range table {
		row := &table[i]
		start := len(b)
		if start > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), row.name...), '"', ':')
		value := len(b)
		var err error
		if b, err = row.write(c, b); err != nil {
			return nil, claimError(row.name, err)
		}
		if len(b) > value {
			continue
		}
		if row.required {
			return nil, fmt.Errorf("%w: claim %s is missing", ErrMalformed, row.name)
		}
		b = b[:start]
	}
	return append(b, '}'), nil
}

// appendText appends s as a JSON string. Most values need no escaping; the rest is
// the library's business.
func appendText(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, err := json.Marshal(s)
			return append(b, text...), err
		}
	}
	return append(append(append(b, '"'), s...), '"'), nil
}
