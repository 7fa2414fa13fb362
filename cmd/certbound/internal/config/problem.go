package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is where a setting was read: a line of a file, or an environment
// variable when Line is 0.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing wrong with a configuration.
type Problem struct {
	At   Position
	Path string // the setting, "routes[0].path"; empty when it is about the whole file
	Err  error
}

func (p *Problem) Error() string {
	var b strings.Builder
	if p.At.File != "" {
		b.WriteString(p.At.String() + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Err.Error())
	return b.String()
}

func (p *Problem) Unwrap() error { return p.Err }

// Problems is everything wrong with a configuration, in the order of the file.
type Problems []*Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is look at each of them.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errs
}

// orNil sorts p by position; without problems it is a nil error.
func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
	return p
}

// Source remembers where each setting was read. A nil Source stands for a
// configuration made by code, as `certbound dev` does: nothing has a position.
type Source struct {
	file string
	at   map[string]Position
}

// Locate returns where path was read. A setting that is absent is placed at the
// nearest setting that should have held it.
func (s *Source) Locate(path string) Position {
	if s == nil {
		return Position{}
	}
	for p := path; p != ""; p = parent(p) {
		if at, ok := s.at[p]; ok {
			return at
		}
	}
	if s.file == "" {
		return Position{}
	}
	return Position{File: s.file, Line: 1, Column: 1}
}

// parent cuts the last member or index off a path: a.b[0] → a.b → a → "".
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

// Problem wraps err as a problem of the setting at path; nil stays nil.
func (s *Source) Problem(path string, err error) error {
	if err == nil {
		return nil
	}
	return &Problem{At: s.Locate(path), Path: path, Err: err}
}
