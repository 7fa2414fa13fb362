package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed flaws.yaml
var list []byte

// Flaw is a change of one line that a test must notice.
type Flaw struct {
	Name    string `yaml:"name"`
	Why     string `yaml:"why"`     // what it would let happen
	File    string `yaml:"file"`    // below the module's root
	Search  string `yaml:"search"`  // stands in the file exactly once
	Replace string `yaml:"replace"` // what takes its place
	Unit    string `yaml:"unit"`    // the package whose tests run first; default: the file's
	Tests   string `yaml:"tests"`   // black-box tests, as -run takes them
}

// Package is the package whose tests run first, below the module's root.
func (f *Flaw) Package() string {
	if f.Unit != "" {
		return f.Unit
	}
	return path.Dir(f.File)
}

// load reads the flaws; all errors are reported at once.
func load(data []byte) ([]Flaw, error) {
	var flaws []Flaw
	if err := yaml.UnmarshalWithOptions(data, &flaws, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("mutation: %w", err)
	}
	var errs []error
	seen := map[string]bool{}
	for i := range flaws {
		f := &flaws[i]
		if err := f.check(); err != nil {
			errs = append(errs, fmt.Errorf("mutation: %s: %w", f.Name, err))
		}
		if seen[f.Name] {
			errs = append(errs, fmt.Errorf("mutation: %s stands there twice", f.Name))
		}
		seen[f.Name] = true
	}
	return flaws, errors.Join(errs...)
}

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (f *Flaw) check() error {
	switch {
	case !nameForm.MatchString(f.Name):
		return errors.New("a name is of small letters, digits and hyphens")
	case f.Why == "" || f.File == "" || f.Search == "":
		return errors.New("why, file and search are needed")
	case f.Search == f.Replace:
		return errors.New("nothing is changed")
	case strings.Contains(f.Search+f.Replace, "\n"):
		return errors.New("a flaw is of one line")
	}
	if _, err := regexp.Compile(f.Tests); err != nil {
		return fmt.Errorf("tests: %w", err)
	}
	return nil
}

// apply returns the file with the flaw in it.
func (f *Flaw) apply(root fs.FS) ([]byte, error) {
	content, err := fs.ReadFile(root, f.File)
	if err != nil {
		return nil, fmt.Errorf("mutation: %s: %w", f.Name, err)
	}
	if n := bytes.Count(content, []byte(f.Search)); n != 1 {
		return nil, fmt.Errorf("mutation: %s: %s has %q %d times, not once", f.Name, f.File, f.Search, n)
	}
	flawed := bytes.Replace(content, []byte(f.Search), []byte(f.Replace), 1)
	if _, err := parser.ParseFile(token.NewFileSet(), f.File, flawed, parser.SkipObjectResolution); err != nil {
		return nil, fmt.Errorf("mutation: %s: %w", f.Name, err)
	}
	return flawed, nil
}
