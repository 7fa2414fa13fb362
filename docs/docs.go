// Package docs holds pages that the program itself shows.
package docs

import (
	_ "embed"
	"strings"
)

//go:embed reasons.md
var reasons string

// Reason returns what docs/reasons.md says of a reason: what it means and what to
// check. Both are empty for a reason the page does not have.
func Reason(name string) (meaning, check string) {
	_, section, found := strings.Cut(reasons, "\n### `"+name+"`\n")
	if !found {
		return "", ""
	}
	section, _, _ = strings.Cut(section, "\n#")
	for line := range strings.Lines(section) {
		if text, ok := strings.CutPrefix(line, "- Meaning: "); ok {
			meaning = strings.TrimSpace(text)
		}
		if text, ok := strings.CutPrefix(line, "- Check: "); ok {
			check = strings.TrimSpace(text)
		}
	}
	return meaning, check
}
