package sqlstore

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// seconds is how a time is stored: whole seconds since 1970, NULL for the zero
// time.
func seconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// orElse returns t, or fallback when t is zero.
func orElse(t, fallback time.Time) time.Time {
	if t.IsZero() {
		return fallback
	}
	return t
}

// text is how an optional string is stored: NULL for the empty one.
func text[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// blob is how optional bytes are stored: NULL for none.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// timeInto scans what seconds wrote.
type timeInto struct{ to *time.Time }

// Scan implements sql.Scanner.
func (d timeInto) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d.to = time.Time{}
	case int64:
		*d.to = time.Unix(v, 0).UTC()
	default:
		return fmt.Errorf("a time is stored as %T", src)
	}
	return nil
}

// textInto scans what text wrote.
type textInto[S ~string] struct{ to *S }

// Scan implements sql.Scanner.
func (d textInto[S]) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d.to = ""
	case string:
		*d.to = S(v)
	case []byte:
		*d.to = S(v)
	default:
		return fmt.Errorf("a text is stored as %T", src)
	}
	return nil
}

func intoText[S ~string](to *S) textInto[S] { return textInto[S]{to} }

// wordsInto scans a string_agg of words and sorts them here, because databases
// do not agree on how to sort.
type wordsInto struct{ to *[]string }

// Scan implements sql.Scanner.
func (d wordsInto) Scan(src any) error {
	var joined string
	if err := intoText(&joined).Scan(src); err != nil {
		return err
	}
	*d.to = nil
	if joined != "" {
		*d.to = strings.Split(joined, " ")
		slices.Sort(*d.to)
	}
	return nil
}

// thumbprintInto scans 32 bytes.
type thumbprintInto struct{ to *thumbprint.Thumbprint }

// Scan implements sql.Scanner.
func (d thumbprintInto) Scan(src any) error {
	raw, ok := src.([]byte)
	if !ok || len(raw) != len(d.to) {
		return fmt.Errorf("a thumbprint is stored as %T of %d bytes", src, len(raw))
	}
	copy(d.to[:], raw)
	return nil
}

// hashInto scans 32 bytes.
type hashInto struct{ to *storage.AuditHash }

// Scan implements sql.Scanner.
func (d hashInto) Scan(src any) error {
	raw, ok := src.([]byte)
	if !ok || len(raw) != len(d.to) {
		return fmt.Errorf("a hash is stored as %T of %d bytes", src, len(raw))
	}
	copy(d.to[:], raw)
	return nil
}

const requestDigits = 32

// isRequestID reports whether id is empty or as decisions write it.
func isRequestID(id string) bool {
	if id == "" {
		return true
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == requestDigits
}

// optional leaves alone what is stored as NULL.
type optional struct{ sql.Scanner }

// Scan implements sql.Scanner.
func (d optional) Scan(src any) error {
	if src == nil {
		return nil
	}
	return d.Scanner.Scan(src)
}

// orZero scans a number that may be NULL.
func orZero(to *int64) optional { return optional{numberInto{to}} }

type numberInto struct{ to *int64 }

// Scan implements sql.Scanner.
func (d numberInto) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a number is stored as %T", src)
	}
	*d.to = n
	return nil
}
