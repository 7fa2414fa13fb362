package accesstoken

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// object reads one JSON object and nothing else. go-jose's reader tells names
// apart by case and refuses duplicates, which encoding/json does not; what it
// would repair (invalid UTF-8) is refused before.
func object(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members == nil { // the literal null
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// text reads a non-empty JSON string.
func text(raw json.RawMessage) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errors.New("is not a string")
	}
	if plain := raw[1 : len(raw)-1]; isPlain(plain) {
		s := string(plain)
		return s, checkText(s)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	return s, checkText(s)
}

// isPlain reports whether a JSON string with these octets, which the library has
// found to be one, stands for exactly them.
func isPlain(octets []byte) bool {
	for _, c := range octets {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func checkText(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	return nil
}

func readText(field func(*Claims) *string) func(*Claims, json.RawMessage) error {
	return func(c *Claims, raw json.RawMessage) (err error) {
		*field(c), err = text(raw)
		return err
	}
}

// writeText leaves an empty text out.
func writeText(field func(*Claims) *string) func(*Claims, []byte) ([]byte, error) {
	return func(c *Claims, b []byte) ([]byte, error) {
		s := *field(c)
		if s == "" {
			return b, nil
		}
		if err := checkText(s); err != nil {
			return b, err
		}
		return appendText(b, s)
	}
}

// readID reads an identifier that is passed on in headers and logs: visible
// ASCII and space, as RFC 6749 appendix A.1 defines client_id, but no space at
// either end. A header loses those (RFC 9110 §5.5), and the API behind would take
// "a " for "a".
func readID(field func(*Claims) *string) func(*Claims, json.RawMessage) error {
	return func(c *Claims, raw json.RawMessage) error {
		s, err := text(raw)
		if err != nil {
			return err
		}
		*field(c) = s
		return checkID(s)
	}
}

func checkID(s string) error {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return errors.New("holds characters outside of printable ASCII")
		}
	}
	if strings.TrimSpace(s) != s {
		return errors.New("begins or ends with a space")
	}
	return nil
}

// writeID leaves an empty identifier out.
func writeID(field func(*Claims) *string) func(*Claims, []byte) ([]byte, error) {
	write := writeText(field)
	return func(c *Claims, b []byte) ([]byte, error) {
		if err := checkID(*field(c)); err != nil {
			return b, err
		}
		return write(c, b)
	}
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

// integer reads a JSON number written as plain digits, up to limit. RFC 7519 §2
// would allow fractions and exponents; no issuer needs them, and readers
// disagree about them.
func integer(raw json.RawMessage, limit int64) (int64, error) {
	for _, b := range raw {
		if b < '0' || b > '9' {
			return 0, errors.New("is not a whole number")
		}
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > limit {
		return 0, errors.New("is out of range")
	}
	return n, nil
}

func readTime(field func(*Claims) *time.Time) func(*Claims, json.RawMessage) error {
	return func(c *Claims, raw json.RawMessage) error {
		seconds, err := integer(raw, maxDate)
		if err != nil {
			return err
		}
		*field(c) = time.Unix(seconds, 0).UTC()
		return nil
	}
}

// writeTime leaves the zero time out.
func writeTime(field func(*Claims) *time.Time) func(*Claims, []byte) ([]byte, error) {
	return func(c *Claims, b []byte) ([]byte, error) {
		t := *field(c)
		if t.IsZero() {
			return b, nil
		}
		return appendInteger(b, t.Unix(), maxDate)
	}
}

func appendInteger(b []byte, n, limit int64) ([]byte, error) {
	if n < 0 || n > limit {
		return b, errors.New("is out of range")
	}
	return strconv.AppendInt(b, n, 10), nil
}

// maxGeneration is the greatest number that every JSON reader keeps exactly.
const maxGeneration = 1 << 53

func readGeneration(c *Claims, raw json.RawMessage) (err error) {
	c.Generation, err = integer(raw, maxGeneration)
	return err
}

func writeGeneration(c *Claims, b []byte) ([]byte, error) {
	return appendInteger(b, c.Generation, maxGeneration)
}

// readAudience reads one string or an array of strings (RFC 7519 §4.1.3).
func readAudience(c *Claims, raw json.RawMessage) error {
	if raw[0] != '[' {
		aud, err := text(raw)
		c.Audience = []string{aud}
		return err
	}
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return err
	}
	if len(values) == 0 {
		return errors.New("is empty")
	}
	for _, value := range values {
		aud, err := text(value)
		if err != nil {
			return err
		}
		c.Audience = append(c.Audience, aud)
	}
	return nil
}

// writeAudience writes one string: a token for two APIs could be replayed by one
// of them at the other.
func writeAudience(c *Claims, b []byte) ([]byte, error) {
	if len(c.Audience) != 1 {
		return b, fmt.Errorf("has %d values, and a token is for one", len(c.Audience))
	}
	if err := checkText(c.Audience[0]); err != nil {
		return b, err
	}
	return appendText(b, c.Audience[0])
}

// readScopes splits at the single space that RFC 6749 §3.3 knows, and holds each
// part to its characters.
func readScopes(c *Claims, raw json.RawMessage) error {
	s, err := text(raw)
	if err != nil {
		return err
	}
	scopes := strings.Split(s, " ")
	c.Scopes = scopes
	return checkScopes(scopes)
}

func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		if !IsScopeToken(scope) {
			return errors.New("is not a list of scope tokens separated by one space")
		}
	}
	return nil
}

// writeScopes leaves the claim out when there is no scope.
func writeScopes(c *Claims, b []byte) ([]byte, error) {
	if len(c.Scopes) == 0 {
		return b, nil
	}
	if err := checkScopes(c.Scopes); err != nil {
		return b, err
	}
	return appendText(b, strings.Join(c.Scopes, " "))
}

// IsScopeToken reports whether s is a scope-token of RFC 6749 §3.3:
// 1*( %x21 / %x23-5B / %x5D-7E ). It is the one spelling of that rule, for
// configurations and registrations too.
func IsScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return s != ""
}
