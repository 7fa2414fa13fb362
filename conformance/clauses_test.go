package conformance

import (
	"os"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/requirements"
)

func TestEveryMustIsTestedOrExcepted(t *testing.T) {
	clauses, err := clause.Load(requirements.Files)
	if err != nil {
		t.Fatal(err)
	}
	report, err := clause.Check(clauses, os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Error(p)
	}
	t.Logf("clauses: %d MUST, %d with a test, %d excepted with a reason; %d SHOULD or MAY, %d with a test",
		report.Must, report.Tested, report.Excepted, report.Others, report.OthersTested)
}
