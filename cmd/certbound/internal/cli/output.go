package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// JSON writes v as one indented JSON value.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // a terminal is not a browser, and URLs stay readable
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// OneOf is a flag value that must be one of a few words.
type OneOf struct {
	Value   string
	Allowed []string
}

// String returns the chosen word.
func (o *OneOf) String() string { return o.Value }

// Type is what cobra shows as the kind of value.
func (o *OneOf) Type() string { return strings.Join(o.Allowed, "|") }

// Set chooses a word.
func (o *OneOf) Set(s string) error {
	if !slices.Contains(o.Allowed, s) {
		return fmt.Errorf("%q is not one of %s", s, strings.Join(o.Allowed, ", "))
	}
	o.Value = s
	return nil
}
