package revokefeed

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/keys/thumbprint"
)

// row is one member of an object, how it is read and how it is written, so that
// neither half can forget one. write appends the value, or returns nil to leave the
// member out; it refuses what read would.
type row[T any] struct {
	name     string
	required bool
	read     func(*T, json.RawMessage) error
	write    func(*T, []byte) ([]byte, error)
}

// textRow, numberRow and timeRow are members of one kind. An optional one is left
// out when it is empty.
func textRow[T any](name string, required bool, field func(*T) *string) row[T] {
	return row[T]{name, required, readText(field), func(v *T, b []byte) ([]byte, error) {
		s := *field(v)
		if s == "" && !required {
			return nil, nil
		}
		if !utf8.ValidString(s) {
			return nil, errNotUTF8
		}
		if err := checkText(s, maxSubject); err != nil {
			return nil, err
		}
		return appendText(b, s)
	}}
}

func numberRow[T any](name string, required bool, field func(*T) *int64) row[T] {
	return row[T]{name, required, readNumber(field), func(v *T, b []byte) ([]byte, error) {
		if *field(v) == 0 && !required {
			return nil, nil
		}
		return appendNumber(b, *field(v))
	}}
}

func timeRow[T any](name string, field func(*T) *time.Time) row[T] {
	return row[T]{name, true, readTime(field), func(v *T, b []byte) ([]byte, error) {
		return appendInteger(b, field(v).Unix(), maxDate)
	}}
}

// object reads one JSON object and nothing else. go-jose's reader tells names
// apart by case and refuses duplicates, which encoding/json does not.
func object(data []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members == nil { // the literal null
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// read fills v from the members of an object, row by row, and removes them: what
// is left is unknown.
func read[T any](rows []row[T], v *T, members map[string]json.RawMessage) error {
	for i := range rows {
		raw, ok := members[rows[i].name]
		if !ok && rows[i].required {
			return fmt.Errorf("%s is missing", rows[i].name)
		}
		if !ok {
			continue
		}
		if err := rows[i].read(v, raw); err != nil {
			return fmt.Errorf("%s %w", rows[i].name, err)
		}
		delete(members, rows[i].name)
	}
	return nil
}

// write appends v as an object.
func write[T any](rows []row[T], v *T, b []byte) ([]byte, error) {
	separator := byte('{')
	for i := range rows {
		named := append(append(append(b, separator, '"'), rows[i].name...), `":`...)
		written, err := rows[i].write(v, named)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s %w", rows[i].name, err)
		case written == nil:
			continue
		}
		b, separator = written, ','
	}
	return append(b, '}'), nil
}

// appendText writes a JSON string. Ours are nearly all plain, and are copied.
func appendText(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if !isPlain(s[i]) {
			text, err := json.Marshal(s)
			return append(b, text...), err
		}
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

// isPlain reports whether a JSON writer may leave an octet of a text as it is.
func isPlain(c byte) bool {
	return ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

func appendNumber(b []byte, n int64) ([]byte, error) { return appendInteger(b, n, maxNumber) }

func appendInteger(b []byte, n, limit int64) ([]byte, error) {
	switch {
	case n < 0:
		return nil, errNotWhole
	case n > limit:
		return nil, errRange
	}
	return strconv.AppendInt(b, n, 10), nil
}

var (
	errNotUTF8  = errors.New("is not UTF-8")
	errNotWhole = errors.New("is not a whole number")
	errRange    = errors.New("is out of range")
)

// maxSubject bounds one entry: client ids, jtis and kids are ours and short.
const maxSubject = 512

// text reads a non-empty JSON string of at most limit octets. What the reader
// would repair (invalid UTF-8) is refused, because a repaired name is another.
func text(raw json.RawMessage, limit int) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errors.New("is not a string")
	}
	if !utf8.Valid(raw) {
		return "", errNotUTF8
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	return s, checkText(s, limit)
}

func checkText(s string, limit int) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > limit:
		return fmt.Errorf("is longer than %d octets", limit)
	}
	return nil
}

func readText[T any](field func(*T) *string) func(*T, json.RawMessage) error {
	return func(v *T, raw json.RawMessage) (err error) {
		*field(v), err = text(raw, maxSubject)
		return err
	}
}

const (
	maxNumber = 1 << 53      // what every JSON reader keeps exactly
	maxDate   = 253402300799 // the last second of the year 9999
)

// integer reads a JSON number written as plain digits, up to limit.
func integer(raw json.RawMessage, limit int64) (int64, error) {
	for _, b := range raw {
		if b < '0' || b > '9' {
			return 0, errNotWhole
		}
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n > limit {
		return 0, errRange
	}
	return n, nil
}

func readNumber[T any](field func(*T) *int64) func(*T, json.RawMessage) error {
	return func(v *T, raw json.RawMessage) (err error) {
		*field(v), err = integer(raw, maxNumber)
		return err
	}
}

func readTime[T any](field func(*T) *time.Time) func(*T, json.RawMessage) error {
	return func(v *T, raw json.RawMessage) error {
		seconds, err := integer(raw, maxDate)
		if err != nil {
			return err
		}
		*field(v) = time.Unix(seconds, 0).UTC()
		return nil
	}
}

func readBool[T any](field func(*T) *bool) func(*T, json.RawMessage) error {
	return func(v *T, raw json.RawMessage) error {
		switch string(raw) {
		case "true":
			*field(v) = true
		case "false":
			*field(v) = false
		default:
			return errors.New("is not true or false")
		}
		return nil
	}
}

// checkThumbprint wants the canonical spelling: the table is keyed by value, and
// a subject that is none would deny nothing.
func checkThumbprint(s string) error {
	t, err := thumbprint.Parse(s)
	if err != nil {
		return err
	}
	if t.IsZero() {
		return errors.New("the thumbprint is all zero, which no certificate has")
	}
	return nil
}
