package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

var testNamed = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// TestPromisesNameTheirTests: docs/security.md promises nothing without naming a
// test, and each test it names is there.
func TestPromisesNameTheirTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testNames(t)
	promises, promising := 0, false
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		named := testNamed.FindAllStringSubmatch(line, -1)
		for _, m := range named {
			if !there[m[1]] {
				t.Errorf("there is no test %s, which the page names", m[1])
			}
		}
		switch {
		case line == "| Promise | Shown by |":
			promising = true
		case !strings.HasPrefix(line, "|"):
			promising = false
		case promising && !strings.HasPrefix(line, "|---"):
			promises++
			if cells := strings.Split(strings.Trim(line, "|"), "|"); len(cells) != 2 || !testNamed.MatchString(cells[1]) {
				t.Errorf("a promise without a test: %s", line)
			}
		}
	}
	if promises < 40 {
		t.Errorf("%d promises: the page has another shape than this test reads", promises)
	}
}

// testNames are the test and fuzz functions of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), "../"+file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
