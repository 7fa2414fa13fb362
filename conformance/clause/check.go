package clause

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strconv"
)

// Report is what the static check found.
type Report struct {
	Must, Tested, Excepted int      // MUST clauses, those with a test, those with an exception
	Others, OthersTested   int      // SHOULD and MAY
	Problems               []string // empty when all is well

	Tests map[string][]Test // by clause
}

// Test is a test that says it covers a clause.
type Test struct {
	Name, File string
	place      string // of the id, for a complaint
}

// Check compares the clauses with what the test files at the top of fsys say
// they cover.
func Check(clauses []Clause, fsys fs.FS) (Report, error) {
	covered, err := coverage(fsys)
	if err != nil {
		return Report{}, err
	}
	r := Report{Tests: covered}
	ids := map[string]bool{}
	for _, c := range clauses {
		ids[c.ID] = true
		r.count(c)
	}
	for id, tests := range covered {
		if !ids[id] {
			r.Problems = append(r.Problems, fmt.Sprintf("%s: %s is not in conformance/requirements", tests[0].place, id))
		}
	}
	slices.Sort(r.Problems)
	return r, nil
}

// count adds one clause to the numbers, or to the problems.
func (r *Report) count(c Clause) {
	total, tested := &r.Must, &r.Tested
	if c.Level != "MUST" {
		total, tested = &r.Others, &r.OthersTested
	}
	*total++
	switch has := len(r.Tests[c.ID]) > 0; {
	case has && c.Exception != "":
		r.Problems = append(r.Problems, c.ID+" has a test and an exception: drop the exception")
	case has:
		*tested++
	case c.Exception == "":
		r.Problems = append(r.Problems, c.ID+" is a "+c.Level+" with neither a test nor a reasoned exception: "+c.Text)
	case c.Level == "MUST":
		r.Excepted++
	}
}

// coverage maps each id named in a clause.Covers call to the tests that name it,
// in the order of their files.
func coverage(fsys fs.FS) (map[string][]Test, error) {
	names, err := fs.Glob(fsys, "*_test.go")
	if err != nil {
		return nil, fmt.Errorf("clause: %w", err)
	}
	covered := map[string][]Test{}
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("clause: %w", err)
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, content, 0)
		if err != nil {
			return nil, fmt.Errorf("clause: %w", err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if err := collect(covered, fset, f, name); err != nil {
				return nil, err
			}
		}
	}
	return covered, nil
}

// collect adds the ids that a function names.
func collect(covered map[string][]Test, fset *token.FileSet, f *ast.FuncDecl, file string) (bad error) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isCovers(call.Fun) || len(call.Args) == 0 {
			return true
		}
		for _, arg := range call.Args[1:] {
			place := fset.Position(arg.Pos()).String()
			id, err := idOf(arg)
			if err != nil {
				bad = fmt.Errorf("clause: %s: %w", place, err)
				return false
			}
			covered[id] = append(covered[id], Test{f.Name.Name, file, place})
		}
		return true
	})
	return bad
}

func isCovers(fun ast.Expr) bool {
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Covers" {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "clause"
}

func idOf(arg ast.Expr) (string, error) {
	lit, ok := arg.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", fmt.Errorf("clause.Covers wants string literals")
	}
	return strconv.Unquote(lit.Value)
}
