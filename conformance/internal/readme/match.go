package readme

import (
	"fmt"
	"regexp"
	"strings"
)

// wildcard stands for any text within a line; alone on a line, for any number of
// lines.
const wildcard = "…"

// Match reports how what was printed differs from what the page shows, or nil.
// Blanks at the end of lines, and empty lines at the beginning and the end, do
// not count.
func Match(shown, printed string) error {
	pattern, err := regexp.Compile(`\A` + expression(clean(shown)) + `\z`)
	if err != nil {
		return fmt.Errorf("readme: %w", err)
	}
	if printed = clean(printed); !pattern.MatchString(printed) {
		return fmt.Errorf("readme: the page shows\n%s\nand the command printed\n%s", indent(clean(shown)), indent(printed))
	}
	return nil
}

// HasBegun reports whether a process that is still running has printed all that
// the page shows, whatever comes after it.
func HasBegun(shown, printed string) bool {
	pattern, err := regexp.Compile(`\A` + expression(clean(shown)) + `(?:\n(?s:.*))?\z`)
	return err == nil && pattern.MatchString(clean(printed))
}

func clean(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func expression(shown string) string {
	lines := strings.Split(shown, "\n")
	var b strings.Builder
	for i, line := range lines {
		last := i == len(lines)-1
		if strings.TrimSpace(line) == wildcard {
			// Any number of lines, each with its line break.
			if last {
				b.WriteString(`(?s:.*)`)
			} else {
				b.WriteString(`(?:.*\n)*?`)
			}
			continue
		}
		for j, part := range strings.Split(line, wildcard) {
			if j > 0 {
				b.WriteString(`.*`)
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
		if !last {
			b.WriteString(`\n`)
		}
	}
	return b.String()
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }
