package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEachFlawApplies: the sources have moved on when it fails; change search and
// replace, or take the flaw out with the check it was about.
func TestEachFlawApplies(t *testing.T) {
	flaws, err := load(list)
	if err != nil {
		t.Fatal(err)
	}
	if len(flaws) < 40 {
		t.Errorf("only %d flaws", len(flaws))
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	tests := blackBoxTests(t)
	for i := range flaws {
		f := &flaws[i]
		if _, err := f.apply(os.DirFS(root)); err != nil {
			t.Error(err)
		}
		for name := range strings.SplitSeq(f.Tests, "|") {
			if name != "" && !tests[name] {
				t.Errorf("%s: there is no test %s", f.Name, name)
			}
		}
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

func blackBoxTests(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		content, err := os.ReadFile("../" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range testName.FindAllSubmatch(content, -1) {
			names[string(found[1])] = true
		}
	}
	return names
}

func TestLoadRefuses(t *testing.T) {
	const good = "- {name: a-flaw, why: x, file: y.go, search: a, replace: b}\n"
	if flaws, err := load([]byte(good)); err != nil || len(flaws) != 1 || flaws[0].Package() != "." {
		t.Errorf("%+v, %v", flaws, err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"twice":          {good + good, "a-flaw stands there twice"},
		"name":           {"- {name: A, why: x, file: y.go, search: a, replace: b}\n", "a name is of small letters"},
		"no why":         {"- {name: a, file: y.go, search: a, replace: b}\n", "why, file and search are needed"},
		"no change":      {"- {name: a, why: x, file: y.go, search: a, replace: a}\n", "nothing is changed"},
		"two lines":      {"- {name: a, why: x, file: y.go, search: \"a\\nb\", replace: a}\n", "a flaw is of one line"},
		"no expression":  {"- {name: a, why: x, file: y.go, search: a, replace: b, tests: '('}\n", "missing closing"},
		"unknown member": {"- {name: a, why: x, file: y.go, search: a, replace: b, wat: 1}\n", "unknown field"},
	} {
		if _, err := load([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
