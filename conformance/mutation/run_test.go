package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestApply(t *testing.T) {
	files := fstest.MapFS{"y.go": {Data: []byte("package y\n\nfunc f(n int) bool { return n > 1 }\n")}}
	f := Flaw{Name: "a", File: "y.go", Search: "n > 1", Replace: "n > 0"}
	if got, err := f.apply(files); err != nil || !strings.Contains(string(got), "return n > 0") {
		t.Errorf("%s, %v", got, err)
	}
	for name, f := range map[string]Flaw{
		"0 times, not once": {File: "y.go", Search: "n > 2"},
		"3 times, not once": {File: "y.go", Search: "n "},
		"expected":          {File: "y.go", Search: "n > 1", Replace: "n >"},
		"not exist":         {File: "z.go", Search: "n"},
	} {
		if _, err := f.apply(files); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

func TestJudge(t *testing.T) {
	failed := errors.New("exit status 1")
	for name, tt := range map[string]struct {
		lines string
		err   error
		want  verdict
	}{
		"passed":      {`{"Action":"pass","Test":"TestA"}`, nil, verdict{survived, ""}},
		"failed":      {`{"Action":"pass","Test":"TestA"}` + "\n" + `{"Action":"fail","Test":"TestB"}`, failed, verdict{killed, "TestB"}},
		"no test":     {`{"Action":"pass"}`, nil, verdict{broken, "no test ran"}},
		"not built":   {`{"Action":"build-output","Output":"x.go:1: no\n"}` + "\n" + `{"Action":"build-fail"}`, failed, verdict{broken, "does not compile: x.go:1: no"}},
		"no binary":   {`{"Action":"output","Test":"TestA","Output":"    a.go:1: build cmd/certbound: build failed"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, failed, verdict{broken, "the binary does not compile: a.go:1: build cmd/certbound: build failed"}},
		"panicked":    {`{"Action":"pass","Test":"TestA"}` + "\n" + `{"Action":"fail"}`, failed, verdict{killed, "the whole of the package"}},
		"nothing ran": {"", failed, verdict{broken, "exit status 1 no such package"}},
	} {
		if got := judge(strings.NewReader(tt.lines), map[bool]string{true: "no such package"}[name == "nothing ran"], tt.err); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestFlawsAreKilledAndSurvive in a module of two functions, of which one is tested.
func TestFlawsAreKilledAndSurvive(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module y\n\ngo 1.26\n",
		"y.go":        "package y\n\nfunc Tested(n int) bool { return n > 1 }\n\nfunc Untested(n int) bool { return n > 2 }\n",
		"y_test.go":   "package y\n\nimport \"testing\"\n\nfunc TestY(t *testing.T) {\n\tif Tested(1) {\n\t\tt.Error(\"no\")\n\t}\n}\n",
		"unread.json": "",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{root: root, work: t.TempDir(), timeout: time.Minute}
	var out strings.Builder
	flaws := []Flaw{
		{Name: "noticed", File: "y.go", Search: "n > 1", Replace: "n > 0"},
		{Name: "unnoticed", File: "y.go", Search: "n > 2", Replace: "n > 0"},
		{Name: "unfit", File: "y.go", Search: "n > 2", Replace: "wat"},
		{Name: "gone", File: "y.go", Search: "n > 3", Replace: "n"},
	}
	if err := b.healthy(t.Context(), flaws, &out); err != nil {
		t.Fatal(err)
	}
	clean, err := b.tryAll(t.Context(), flaws, &out)
	if clean || err != nil {
		t.Errorf("clean %t, %v", clean, err)
	}
	for _, want := range []string{"killed    noticed", "TestY", "survived  unnoticed", "broken    unfit", "does not compile", "broken    gone", "1 of 4 flaws killed", "not killed: unnoticed unfit gone"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	b.timeout = time.Nanosecond
	if v := b.try(t.Context(), &flaws[0]); v.outcome != timedOut {
		t.Errorf("%+v", v)
	}
}
