package accesstoken

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/keys/thumbprint"
)

const (
	confirmationName = "cnf"      // RFC 7800 §3.1
	thumbprintName   = "x5t#S256" // RFC 8705 §3.1
)

// readConfirmation wants an object with exactly one member, x5t#S256. A second
// method would have to be checked too (RFC 7800 §3.1 allows one key only), and
// we cannot.
func readConfirmation(c *Claims, raw json.RawMessage) error {
	s, usual := usualConfirmation(raw)
	if !usual {
		var err error
		if s, err = confirmationText(raw); err != nil {
			return err
		}
	}
	t, err := thumbprint.Parse(s)
	if err != nil {
		return fmt.Errorf("member %s %s", thumbprintName, explain(s))
	}
	if t.IsZero() {
		return fmt.Errorf("member %s is all zero, which no certificate has", thumbprintName)
	}
	c.Thumbprint = t
	return nil
}

// usualConfirmation reads the object as writeConfirmation writes it. What has no
// quote and no escape in its value has no second member either.
func usualConfirmation(raw json.RawMessage) (value string, ok bool) {
	const head, tail = `{"` + thumbprintName + `":"`, `"}`
	if len(raw) != len(head)+thumbprint.Length+len(tail) {
		return "", false
	}
	s := string(raw)
	value = s[len(head) : len(head)+thumbprint.Length]
	return value, s[:len(head)] == head && s[len(s)-len(tail):] == tail && isPlain([]byte(value))
}

func confirmationText(raw json.RawMessage) (string, error) {
	members, err := object(raw)
	if err != nil {
		return "", errors.New("is not an object with distinct members")
	}
	value, ok := members[thumbprintName]
	switch {
	case !ok:
		return "", fmt.Errorf("%w: cnf has no %s", ErrUnbound, thumbprintName)
	case len(members) != 1:
		return "", fmt.Errorf("names more than one confirmation method")
	}
	s, err := text(value)
	if err != nil {
		return "", fmt.Errorf("member %s %w", thumbprintName, err)
	}
	return s, nil
}

// explain says what a wrong thumbprint looks like, because the ways to get it
// wrong are few and each has cost somebody a day.
func explain(s string) string {
	const want = "; it must be the unpadded base64url of the SHA-256 of the DER certificate"
	digits := strings.ReplaceAll(s, ":", "")
	_, notHex := hex.DecodeString(digits)
	switch {
	case notHex == nil && len(digits) == 64:
		return "is hex" + want
	case notHex == nil && len(digits) == 40, len(strings.TrimRight(s, "=")) == 27:
		return "is a SHA-1 thumbprint" + want
	case len(s) == 44 && strings.HasSuffix(s, "="):
		return "is padded" + want
	case len(s) == thumbprint.Length && strings.ContainsAny(s, "+/"):
		return "is in the standard base64 alphabet" + want
	}
	return "is not a thumbprint" + want
}

// writeConfirmation relies on Marshal, which has refused claims without a
// thumbprint.
func writeConfirmation(c *Claims, b []byte) ([]byte, error) {
	b = append(b, `{"`+thumbprintName+`":"`...)
	return append(append(b, c.Thumbprint.String()...), `"}`...), nil
}
