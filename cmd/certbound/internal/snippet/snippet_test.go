package snippet

import (
	"encoding/json"
	"go/format"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	d := Data{ClientID: `a'b"c\ü`, TokenEndpoint: "https://as.example/t", Scope: "x y", API: "https://api.example/a", Cert: "c.pem", Key: "k", CA: "ca.pem"}
	for _, language := range Languages() {
		for _, scope := range []string{"", "x y"} {
			d.Scope = scope
			var b strings.Builder
			if err := Write(&b, language, d); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "scope") != (scope != "") {
				t.Errorf("%s: the scope is %q in\n%s", language, scope, b.String())
			}
			if language != "go" {
				continue
			}
			if formatted, err := format.Source([]byte(b.String())); err != nil || string(formatted) != b.String() {
				t.Errorf("the Go code is not formatted: %v\n%s", err, b.String())
			}
		}
	}
	if err := Write(&strings.Builder{}, "cobol", d); err == nil {
		t.Error("there is code in COBOL")
	}
}

// TestQuotes: what stands between the quotes is data, whatever it is.
func TestQuotes(t *testing.T) {
	for _, text := range []string{"a", `"; evil("`, `\`, "ü", "𝄞", "a\nb", "</script>"} {
		var back string
		if err := json.Unmarshal([]byte(literal(text)), &back); err != nil || back != text {
			t.Errorf("%q becomes %s", text, literal(text))
		}
		if inner := strings.ReplaceAll(shell(text), `'\''`, ""); strings.Count(inner, "'") != 2 {
			t.Errorf("%q becomes %s", text, shell(text))
		}
	}
}
