package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// segment is one part of a template: a canonical literal, or a parameter.
type segment struct {
	text      string // the literal, or the parameter's name
	parameter bool
}

// template is a parsed path template.
type template []segment

// parseTemplate reads "/accounts/{id}". Literals obey the same rule as requests:
// one that no canonical path can spell would never match.
func parseTemplate(path string) (template, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("must start with a slash")
	}
	var t template
	for part := range strings.SplitSeq(path[1:], "/") {
		s, err := parseSegment(part)
		if err != nil {
			return nil, err
		}
		if s.parameter && slices.Contains(t, s) {
			return nil, fmt.Errorf("parameter {%s} appears twice", s.text)
		}
		t = append(t, s)
	}
	// The parts are fine; together they could still have an empty segment.
	if err := CheckPath(t.render(func(int) string { return "x" })); err != nil {
		return nil, plain(err)
	}
	return t, nil
}

func parseSegment(part string) (segment, error) {
	if strings.HasPrefix(part, "{") && strings.HasSuffix(part, "}") {
		return parseParameter(part[1 : len(part)-1])
	}
	if strings.ContainsAny(part, "{}") {
		return segment{}, fmt.Errorf("%q: a parameter is a whole segment, as in /{name}/", part)
	}
	if err := CheckPath("/" + part); err != nil {
		return segment{}, plain(err)
	}
	literal := canonicalPath(part)
	if literal == "*" || literal == "**" {
		return segment{}, fmt.Errorf("%q: there are no wildcards; a parameter {name} stands for one segment", part)
	}
	return segment{text: literal}, nil
}

// maxParameter bounds a parameter's name.
const maxParameter = 64

func parseParameter(name string) (segment, error) {
	if strings.Contains(name, ":") {
		return segment{}, fmt.Errorf("{%s}: regular expressions are not supported; a parameter is a name", name)
	}
	bad := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_'
	}
	if name == "" || len(name) > maxParameter || strings.ContainsFunc(name, bad) || name[0] <= '9' {
		return segment{}, fmt.Errorf("{%s}: a parameter's name is a letter or '_', then letters, digits or '_', %d at most", name, maxParameter)
	}
	return segment{text: name, parameter: true}, nil
}

// literal reports whether the template has no parameter, and so matches one path.
func (t template) literal() bool {
	return !slices.ContainsFunc(t, func(s segment) bool { return s.parameter })
}

// plain cuts the package's prefix off, for errors that get a place in front.
func plain(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "proxy: "))
}

// shape is the template with its parameters' names left out: two templates of one
// shape match the same paths. No literal can be "{}".
func (t template) shape() string { return t.render(func(int) string { return "{}" }) }

// render writes the template with its parameters as name says.
func (t template) render(name func(i int) string) string {
	var b strings.Builder
	for i, s := range t {
		b.WriteByte('/')
		if s.parameter {
			b.WriteString(name(i))
		} else {
			b.WriteString(s.text)
		}
	}
	return b.String()
}

// compare orders templates from the most to the least specific: segment by
// segment, a literal before a parameter.
func (t template) compare(other template) int {
	return slices.CompareFunc(t, other, func(a, b segment) int {
		switch {
		case a.parameter && b.parameter:
			return 0
		case a.parameter:
			return 1
		case b.parameter:
			return -1
		}
		return cmp.Compare(a.text, b.text)
	})
}

// String writes the template as it was configured, in canonical spelling.
func (t template) String() string {
	return t.render(func(i int) string { return "{" + t[i].text + "}" })
}
