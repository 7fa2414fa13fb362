package cli_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{"": "", "a b": "a b", "zürich": "zürich", "\x1b[2J": `"\x1b[2J"`, "a\nb": `"a\nb"`} {
		if got := cli.Plain(in); got != want {
			t.Errorf("Plain(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestPlainJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": "zürich"}`: `{"a": "zürich"}`, "{\n\t\"a\": 1\n}": "{\n\t\"a\": 1\n}",
		"\"\u009b2J\u202e\u00a0\x7f\"": `"\u009b2J\u202e\u00a0\u007f"`, "\"\U000e0041\"": `"\udb40\udc41"`,
	} {
		got := cli.PlainJSON(in)
		if got != want {
			t.Errorf("PlainJSON(%q) = %s, want %s", in, got, want)
		}
		var was, is any
		if err := errors.Join(json.Unmarshal([]byte(in), &was), json.Unmarshal([]byte(got), &is)); err != nil || !reflect.DeepEqual(was, is) {
			t.Errorf("%q means something else now: %v, was %v; %v", in, is, was, err)
		}
	}
}
