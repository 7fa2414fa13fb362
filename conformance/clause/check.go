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
}

// Check compares the clauses with what the test files at the top of fsys say
// they cover.
func Check(clauses []Clause, fsys fs.FS) (Report, error) {
	covered, err := coverage(fsys)
	if err != nil {
		return Report{}, err
	}
	var r Report
	for _, c := range clauses {
		_, tested := covered[c.ID]
		delete(covered, c.ID)
		if c.Level != "MUST" {
			r.Others++
			if tested {
				r.OthersTested++
			}
			continue
		}
		r.Must++
		switch {
		case tested && c.Exception != "":
			r.Problems = append(r.Problems, c.ID+" has a test and an exception: drop the exception")
		case tested:
			r.Tested++
		case c.Exception != "":
			r.Excepted++
		default:
			r.Problems = append(r.Problems, c.ID+" is a MUST with neither a test nor a reasoned exception: "+c.Text)
		}
	}
	for id, where := range covered {
		r.Problems = append(r.Problems, fmt.Sprintf("%s: %s is not in conformance/requirements", where, id))
	}
	slices.Sort(r.Problems)
	return r, nil
}

// coverage maps each id named in a clause.Covers call to the place of the call.
func coverage(fsys fs.FS) (map[string]string, error) {
	names, err := fs.Glob(fsys, "*_test.go")
	if err != nil {
		return nil, fmt.Errorf("clause: %w", err)
	}
	covered := map[string]string{}
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
		var bad error
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isCovers(call.Fun) || len(call.Args) == 0 {
				return true
			}
			for _, arg := range call.Args[1:] {
				id, err := idOf(arg)
				if err != nil {
					bad = fmt.Errorf("clause: %s: %w", fset.Position(arg.Pos()), err)
				}
				covered[id] = fset.Position(arg.Pos()).String()
			}
			return true
		})
		if bad != nil {
			return nil, bad
		}
	}
	return covered, nil
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
