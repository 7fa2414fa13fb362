package main

import (
	"regexp"
	"slices"
	"strings"
)

// identifier is what thumbprints and key ids look like when they begin with a dash:
// the base64url of 32 octets, one in 64 of them.
var identifier = regexp.MustCompile(`^-[A-Za-z0-9_-]{42}$`)

// identifiersLast puts identifiers that begin with a dash behind "--", where they
// are not taken for flags. Nobody who pastes one into a command can know that it
// is one of those. What follows a flag may be its value and stays.
func identifiersLast(args []string) []string {
	if slices.Contains(args, "--") {
		return args
	}
	var rest, last []string
	for i, arg := range args {
		if identifier.MatchString(arg) && (i == 0 || !strings.HasPrefix(args[i-1], "-") || strings.Contains(args[i-1], "=")) {
			last = append(last, arg)
			continue
		}
		rest = append(rest, arg)
	}
	if last == nil {
		return args
	}
	return append(append(rest, "--"), last...)
}
