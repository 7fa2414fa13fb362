package clause

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/certbound/certbound/conformance/requirements"
)

func TestLoadRefuses(t *testing.T) {
	const good = "rfc: RFC8705\ntitle: x\nclauses:\n"
	for name, tc := range map[string]struct{ yaml, want string }{
		"unknown key":    {good + "  - {id: RFC8705-2-1, section: '2.1', level: MUST, binds: [AS], text: x, wat: y}\n", "unknown field"},
		"wrong section":  {good + "  - {id: RFC8705-2-2, section: '2.1', level: MUST, binds: [AS], text: x}\n", "the id must be RFC, section and perhaps a letter"},
		"no rfc":         {"clauses:\n  - {id: RFC8705-2-1, section: '2.1', level: MUST, binds: [AS], text: x}\n", "the id must be RFC"},
		"level":          {good + "  - {id: RFC8705-2-1, section: '2.1', level: MUST NOT, binds: [AS], text: x}\n", `level "MUST NOT" is not MUST, SHOULD or MAY`},
		"no text":        {good + "  - {id: RFC8705-2-1, section: '2.1', level: MUST, binds: [AS]}\n", "text is missing"},
		"no binds":       {good + "  - {id: RFC8705-2-1, section: '2.1', level: MUST, text: x}\n", "binds is missing"},
		"who is bound":   {good + "  - {id: RFC8705-2-1, section: '2.1', level: MUST, binds: [XX], text: x}\n", `binds "XX" is not AS, RS, C or REG`},
		"row":            {good + "  - {id: RFC8705-2-1, section: '2.1', level: MUST, binds: [AS], text: x, rows: [A7]}\n", `row "A7" is not a letter and two digits`},
		"twice":          {good + strings.Repeat("  - {id: RFC8705-2-1, section: '2.1', level: MUST, binds: [AS], text: x}\n", 2), "RFC8705-2-1 stands there twice"},
		"letter is long": {good + "  - {id: RFC8705-2-1-ab, section: '2.1', level: MUST, binds: [AS], text: x}\n", "the id must be"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{"rfc8705.yaml": {Data: []byte(tc.yaml)}})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Load: %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestLoadTheRealFiles(t *testing.T) {
	all, err := Load(requirements.Files)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no clauses")
	}
	Covers(t, all[0].ID)
}

func TestCheck(t *testing.T) {
	clauses := []Clause{
		{ID: "RFC1-1-a", Level: "MUST", Text: "tested"},
		{ID: "RFC1-1-b", Level: "MUST", Text: "excepted", Exception: "later"},
		{ID: "RFC1-1-c", Level: "MUST", Text: "forgotten"},
		{ID: "RFC1-1-d", Level: "MUST", Text: "both", Exception: "stale"},
		{ID: "RFC1-1-e", Level: "SHOULD", Text: "untested should"},
		{ID: "RFC1-1-f", Level: "MAY", Text: "tested may"},
	}
	const source = `package x
func TestX(t *testing.T) { clause.Covers(t, "RFC1-1-a", "RFC1-1-d", "RFC1-1-f", "RFC1-9") }`
	r, err := Check(clauses, fstest.MapFS{"x_test.go": {Data: []byte(source)}, "y.go": {Data: []byte("not Go")}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"RFC1-1-c is a MUST with neither a test nor a reasoned exception: forgotten",
		"RFC1-1-d has a test and an exception: drop the exception",
		"RFC1-1-e is a SHOULD with neither a test nor a reasoned exception: untested should",
		"x_test.go:2:81: RFC1-9 is not in conformance/requirements",
	}
	if got := strings.Join(r.Problems, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("problems:\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if r.Must != 4 || r.Tested != 1 || r.Excepted != 1 || r.Others != 2 || r.OthersTested != 1 {
		t.Errorf("counts: %+v", r)
	}
}

func TestCheckWantsLiterals(t *testing.T) {
	const source = `package x
func TestX(t *testing.T) { id := "RFC1-1"; clause.Covers(t, id) }`
	_, err := Check(nil, fstest.MapFS{"x_test.go": {Data: []byte(source)}})
	const want = "clause: x_test.go:2:61: clause.Covers wants string literals"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
