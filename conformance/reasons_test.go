package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reasonAnswer is what one half of the server answers for a reason.
type reasonAnswer struct{ status, code, public string }

// reasonSource is resource/decision/reason.go as data.
type reasonSource struct {
	values map[string]string // constant name → reason
	as, rs map[string]reasonAnswer
}

// readReasons reads the constants and the two tables from the source. Importing
// the package would show the answers, but not the set of constants.
func readReasons(t *testing.T) reasonSource {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../resource/decision/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	src := reasonSource{values: map[string]string{}}
	tables := map[string]*ast.CompositeLit{}
	var clientFailure *ast.CompositeLit
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Reason" && len(n.Values) == 1 {
				src.values[n.Names[0].Name] = literal(n.Values[0])
			}
			if len(n.Values) == 1 {
				if lit, ok := n.Values[0].(*ast.CompositeLit); ok {
					tables[n.Names[0].Name] = lit
				}
			}
		case *ast.FuncDecl:
			if n.Name.Name == "clientFailure" {
				clientFailure = n.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.CompositeLit)
			}
		}
		return true
	})
	read := func(name string) map[string]reasonAnswer {
		if tables[name] == nil || clientFailure == nil {
			t.Fatalf("reason.go: %s or clientFailure not found", name)
		}
		answers := map[string]reasonAnswer{}
		for _, e := range tables[name].Elts {
			kv := e.(*ast.KeyValueExpr)
			answers[kv.Key.(*ast.Ident).Name] = readAnswer(t, kv.Value, clientFailure)
		}
		return answers
	}
	src.as, src.rs = read("atAuthorizationServer"), read("atResourceServer")
	return src
}

// readAnswer understands the three ways an answer is written: answer(…),
// clientFailure() and a literal.
func readAnswer(t *testing.T, e ast.Expr, clientFailure *ast.CompositeLit) reasonAnswer {
	t.Helper()
	switch e := e.(type) {
	case *ast.CallExpr:
		if e.Fun.(*ast.Ident).Name == "answer" {
			return reasonAnswer{status: literal(e.Args[0]), code: literal(e.Args[1])}
		}
		return readAnswer(t, clientFailure, nil)
	case *ast.CompositeLit:
		var a reasonAnswer
		for _, field := range e.Elts {
			kv := field.(*ast.KeyValueExpr)
			switch kv.Key.(*ast.Ident).Name {
			case "Status":
				a.status = literal(kv.Value)
			case "Error":
				a.code = literal(kv.Value)
			case "Public":
				a.public = literal(kv.Value)
			}
		}
		return a
	}
	t.Fatalf("reason.go: an answer is written as %T", e)
	return reasonAnswer{}
}

// statuses are the net/http constants reason.go uses by name.
var statuses = map[string]string{"StatusUnauthorized": "401", "StatusBadRequest": "400", "StatusForbidden": "403"}

func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
		return e.Value
	case *ast.SelectorExpr:
		return statuses[e.Sel.Name]
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// line is how the page states an answer.
func (s reasonSource) line(half map[string]reasonAnswer, name string) string {
	a, ok := half[name]
	if !ok {
		return "not used"
	}
	text := fmt.Sprintf("%s `%s`", a.status, a.code)
	if a.public != "" && a.public != name {
		text += fmt.Sprintf("; the caller sees `%s`", s.values[a.public])
	}
	return text
}

// section is one reason on the page.
var section = regexp.MustCompile("(?m)^### `([a-z_]+)`\n- Authorization server: (.+)\n- Resource server: (.+)\n- Meaning: (.+)\n- Check: (.+)$")

func TestReasonsPageEqualsCode(t *testing.T) {
	src := readReasons(t)
	page, err := os.ReadFile("../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	for _, m := range section.FindAllStringSubmatch(string(page), -1) {
		if documented[m[1]] != nil {
			t.Errorf("docs/reasons.md: %s stands there twice", m[1])
		}
		documented[m[1]] = m[2:]
	}
	if n := strings.Count(string(page), "\n### "); n != len(documented) {
		t.Errorf("docs/reasons.md: %d headings, but %d reasons in the form the page has", n, len(documented))
	}
	for _, name := range slices.Sorted(maps.Keys(src.values)) {
		reason := src.values[name]
		got := documented[reason]
		if got == nil {
			t.Errorf("docs/reasons.md: %s is missing", reason)
			continue
		}
		delete(documented, reason)
		if want := src.line(src.as, name); got[0] != want {
			t.Errorf("docs/reasons.md: %s: authorization server %q, the code says %q", reason, got[0], want)
		}
		if want := src.line(src.rs, name); got[1] != want {
			t.Errorf("docs/reasons.md: %s: resource server %q, the code says %q", reason, got[1], want)
		}
	}
	for reason := range documented {
		t.Errorf("docs/reasons.md: %s is not a reason of the code", reason)
	}
}

func TestEveryReasonIsAnswered(t *testing.T) {
	src := readReasons(t)
	for name, reason := range src.values {
		_, as := src.as[name]
		_, rs := src.rs[name]
		if !as && !rs {
			t.Errorf("%s is answered by neither half: it would come out as internal_error", reason)
		}
	}
}
