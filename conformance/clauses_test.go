package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/requirements"
)

//go:generate go test . -run ^TestClausePagesAreCurrent$ -update

var update = flag.Bool("update", false, "write the tables of clauses and tests into README.md, docs/conformance.md and DIVERGENCES.md")

func checkedClauses(t *testing.T) ([]clause.Clause, clause.Report) {
	t.Helper()
	clauses, err := clause.Load(requirements.Files)
	if err != nil {
		t.Fatal(err)
	}
	report, err := clause.Check(clauses, os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	return clauses, report
}

func TestEveryMustIsTestedOrExcepted(t *testing.T) {
	t.Parallel()
	_, report := checkedClauses(t)
	for _, p := range report.Problems {
		t.Error(p)
	}
	t.Logf("clauses: %d MUST, %d with a test, %d excepted with a reason; %d SHOULD or MAY, %d with a test",
		report.Must, report.Tested, report.Excepted, report.Others, report.OthersTested)
}

// lastRow is the last row of each section of the requirements list.
var lastRow = map[string]int{
	"A": 31, "B": 21, "C": 14, "D": 31, "E": 16, "F": 34, "G": 15, "H": 20, "I": 17, "J": 17, "K": 12, "L": 15, "M": 17, "N": 12,
}

// TestEveryRowHasAClause, and each clause names code that is there.
func TestEveryRowHasAClause(t *testing.T) {
	t.Parallel()
	clauses, _ := checkedClauses(t)
	answered := map[string]bool{}
	for _, c := range clauses {
		for _, row := range c.Rows {
			answered[row] = true
		}
		if len(c.Code) == 0 {
			t.Errorf("%s does not say what implements it", c.ID)
		}
		for _, place := range c.Code {
			if _, err := os.Stat(filepath.Join("..", place)); err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
	}
	for section, last := range lastRow {
		for i := range last {
			row := fmt.Sprintf("%s%02d", section, i+1)
			if !answered[row] {
				t.Errorf("no clause answers row %s", row)
			}
			delete(answered, row)
		}
	}
	for row := range answered {
		t.Errorf("there is no row %s", row)
	}
}

// TestClausePagesAreCurrent compares the generated tables with the clauses and the
// tests; -update writes them.
func TestClausePagesAreCurrent(t *testing.T) {
	t.Parallel()
	clauses, report := checkedClauses(t)
	for _, page := range []struct{ file, table, want string }{
		{"../docs/conformance.md", "matrix", clause.Matrix(clauses, report)},
		{"../README.md", "clauses", clause.Summary(clauses, report)},
		{"DIVERGENCES.md", "exceptions", clause.Exceptions(clauses)},
	} {
		content, err := os.ReadFile(page.file)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, begins := strings.Cut(string(content), "<!-- "+page.table+" -->\n")
		_, after, ends := strings.Cut(rest, "<!-- end "+page.table+" -->")
		if !begins || !ends {
			t.Fatalf("%s has no table %s", page.file, page.table)
		}
		want := before + "<!-- " + page.table + " -->\n" + page.want + "<!-- end " + page.table + " -->" + after
		switch {
		case want == string(content):
		case *update:
			if err := os.WriteFile(page.file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is not current: go generate ./conformance", page.file)
		}
	}
}
