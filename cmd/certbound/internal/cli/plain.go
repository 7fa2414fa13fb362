package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Plain keeps text that a stranger wrote from steering the terminal: what does not
// print is quoted.
func Plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// PlainJSON is Plain for text in JSON, which means the same afterwards: what does not
// print stands only in strings there, and is escaped.
func PlainJSON(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t' || strconv.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
