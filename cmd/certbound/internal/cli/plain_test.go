package cli_test

import (
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
