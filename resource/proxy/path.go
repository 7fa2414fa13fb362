package proxy

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckPath reports why the escaped path of a request, as the caller spelled it,
// does not have exactly one reading; nil when it has. The rule stands in the
// package documentation.
func CheckPath(escaped string) error {
	if !strings.HasPrefix(escaped, "/") {
		return errors.New("proxy: path does not start with a slash")
	}
	decoded, err := decodePath(escaped)
	if err != nil {
		return err
	}
	if err := checkSegments(decoded); err != nil {
		return err
	}
	// Only an escape can bring in what the three checks below look for.
	if len(decoded) == len(escaped) {
		return nil
	}
	if !utf8.ValidString(decoded) {
		return errors.New("proxy: path is not UTF-8 once decoded")
	}
	if strings.ContainsFunc(decoded, unicode.IsControl) {
		return errors.New("proxy: path has an encoded control character")
	}
	if hidesEscape(decoded) {
		return errors.New("proxy: path is encoded twice")
	}
	return nil
}

// checkSegments refuses what path cleaning would change.
func checkSegments(decoded string) error {
	if strings.Contains(decoded, "//") {
		return errors.New("proxy: path has an empty segment")
	}
	for segment := range strings.SplitSeq(decoded[1:], "/") {
		if segment == "." || segment == ".." {
			return errors.New("proxy: path has a dot segment")
		}
	}
	return nil
}

// decodePath decodes a path and refuses every byte and every escape that some
// reader takes for something else. Slashes stay what they are, because no escape
// yields one.
func decodePath(escaped string) (string, error) {
	if !strings.Contains(escaped, "%") {
		return escaped, checkRaw(escaped)
	}
	var b strings.Builder
	b.Grow(len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c != '%' {
			if !isRaw(c) {
				return "", rawError(c)
			}
			b.WriteByte(c)
			continue
		}
		d, ok := unhex(escaped[i+1:])
		if !ok {
			return "", errors.New("proxy: path has an invalid percent-escape")
		}
		if err := checkEscaped(d); err != nil {
			return "", err
		}
		b.WriteByte(d)
		i += 2
	}
	return b.String(), nil
}

func checkRaw(path string) error {
	for i := 0; i < len(path); i++ {
		if !isRaw(path[i]) {
			return rawError(path[i])
		}
	}
	return nil
}

func rawError(c byte) error {
	return fmt.Errorf("proxy: path has byte 0x%02x, which may not stand in a path unencoded", c)
}

// checkEscaped refuses escapes for what must not be hidden or need not be.
func checkEscaped(c byte) error {
	switch {
	case isUnreserved(c):
		return fmt.Errorf("proxy: path has %q percent-encoded, which needs no encoding", c)
	case strings.IndexByte(`/\;?#`, c) >= 0:
		return fmt.Errorf("proxy: path has %q percent-encoded, which some servers take for a separator", c)
	case c < ' ' || c == 0x7f:
		return errors.New("proxy: path has an encoded control character")
	}
	return nil
}

// canonicalPath rewrites a path that passed CheckPath so that equal readings are
// equal strings: what may stand raw is raw, and escapes are upper case (RFC 3986
// §6.2.2). Routes are matched on it.
func canonicalPath(escaped string) string {
	if !strings.Contains(escaped, "%") {
		return escaped
	}
	var b strings.Builder
	b.Grow(len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if d, _ := unhex(escaped[i+1:]); isRaw(d) {
			b.WriteByte(d)
		} else {
			b.WriteString(strings.ToUpper(escaped[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// isUnreserved is the unreserved set of RFC 3986 §2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// isRaw says what may stand in a path as it is: pchar of RFC 3986 §3.3 and the
// slash, without ';'.
func isRaw(c byte) bool {
	return isUnreserved(c) || strings.IndexByte("/!$&'()*+,=:@", c) >= 0
}

// unhex reads the two digits after a percent sign.
func unhex(s string) (byte, bool) {
	if len(s) < 2 || !isHex(s[0]) || !isHex(s[1]) {
		return 0, false
	}
	return hexValue(s[0])<<4 | hexValue(s[1]), true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// hidesEscape reports whether a second decoding would find something: %XX, or
// the %uXXXX that some older servers know.
func hidesEscape(decoded string) bool {
	for {
		_, after, found := strings.Cut(decoded, "%")
		if !found {
			return false
		}
		if _, ok := unhex(after); ok || strings.HasPrefix(after, "u") || strings.HasPrefix(after, "U") {
			return true
		}
		decoded = after
	}
}
