package accesstoken

import (
	"bytes"
	"fmt"

	"github.com/go-jose/go-jose/v4/json"
)

// Marshal writes the claims as the payload of an access token. It refuses what
// [Parse] would: a claim that is missing, a token that is not bound.
func (c *Claims) Marshal() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range table {
		value := table[i].write(c)
		if value == nil {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("accesstoken: claim %s: %w", table[i].name, err)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", table[i].name, text)
	}
	b.WriteByte('}')
	// Reading it back is a few microseconds, and no rule can then hold for one
	// half only.
	if _, err := Parse(b.Bytes()); err != nil {
		return nil, fmt.Errorf("accesstoken: refusing to write unreadable claims: %w", err)
	}
	return b.Bytes(), nil
}
