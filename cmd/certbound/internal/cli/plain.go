package cli

import (
	"strconv"
	"strings"
)

// Plain keeps text that a stranger wrote from steering the terminal: what does not
// print is quoted.
func Plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
