package clause

import (
	"strings"
	"testing"
)

func TestPages(t *testing.T) {
	clauses := []Clause{
		{ID: "OWN-1", RFC: "OWN", Title: "promises", Section: "1", Level: "MAY", Binds: []string{"AS"}, Text: "a|b", Code: []string{"authz"}, Exception: "later"},
		{ID: "RFC8414-2", RFC: "RFC8414", Title: "The 2.0 Metadata", Section: "2", Level: "MUST", Binds: []string{"AS", "RS"}, Text: "asked", Code: []string{"keys", "authz"}},
	}
	r := Report{Must: 1, Tested: 1, Others: 1, Tests: map[string][]Test{"RFC8414-2": {{Name: "TestX", File: "x_test.go"}, {Name: "TestX", File: "x_test.go"}, {Name: "TestY", File: "y_test.go"}}}}
	for name, tt := range map[string]struct{ got, want string }{
		"matrix": {Matrix(clauses, r), "| RFC8414-2 | MUST | AS, RS | asked | `keys`, `authz` | [TestX](../conformance/x_test.go), [TestY](../conformance/y_test.go) |\n" +
			"\n### OWN: promises\n\n| Clause | Level | Binds | What it asks for | Implementation | Tests |\n|---|---|---|---|---|---|\n| OWN-1 | MAY | AS | a\\|b | `authz` | none: later |\n"},
		"summary": {Summary(clauses, r), "| [RFC 8414](docs/conformance.md#rfc-8414-the-20-metadata) | 2 | 1 of 1 | 0 | 0 of 0 | `authz`, `keys` |\n" +
			"| [OWN](docs/conformance.md#own-promises) | 1 | 0 of 0 | 0 | 0 of 1 | `authz` |\n\n1 of 1 MUST clauses have a test, 0 an exception with its reason; of 1 SHOULD and MAY, 0 have a test.\n"},
		"exceptions": {Exceptions(clauses), "|---|---|---|---|\n| OWN-1 | MAY | a\\|b | later |\n"},
	} {
		if !strings.HasSuffix(tt.got, tt.want) {
			t.Errorf("%s:\n%s\nwant at its end\n%s", name, tt.got, tt.want)
		}
	}
}
