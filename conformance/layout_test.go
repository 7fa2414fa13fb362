package conformance

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goFiles returns every Go file of the checkout, relative to the module's root.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, filepath.ToSlash(path[len("../"):]))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("list Go files: %v", err)
	}
	return files
}

func TestNoFileOver500Lines(t *testing.T) {
	t.Parallel()
	const most = 500
	for _, file := range goFiles(t) {
		content, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(content, []byte("\n")); n > most {
			t.Errorf("%s has %d lines; split it by what it does (at most %d)", file, n, most)
		}
	}
}

func TestNamesSayWhatThingsAre(t *testing.T) {
	t.Parallel()
	// Such names attract everything that has no better place.
	vague := []string{"util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "shared", "base"}
	for _, file := range goFiles(t) {
		stem := strings.TrimSuffix(filepath.Base(file), ".go")
		if slices.Contains(vague, strings.TrimSuffix(stem, "_test")) {
			t.Errorf("%s: name the file for what is in it", file)
		}
	}
	for _, s := range loadSources(t) {
		if slices.Contains(vague, strings.TrimSuffix(s.name, "_test")) {
			t.Errorf("package %s (%s): name the package for what it owns", s.name, s.path)
		}
	}
}

// TestPackagesSayWhatTheyOwn asks each package for its package comment.
func TestPackagesSayWhatTheyOwn(t *testing.T) {
	t.Parallel()
	commented := map[string]bool{}
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		dir := filepath.Dir(file)
		commented[dir] = commented[dir] || len(commentText(parsed)) > 0
	}
	for dir, ok := range commented {
		if !ok {
			t.Errorf("%s has no package comment: what it owns, which RFCs, what it must not depend on", dir)
		}
	}
}

func commentText(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Text()
}
