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
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // a terminal is not a browser, and URLs stay readable
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, PlainJSON(text.String()))
	return err
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
