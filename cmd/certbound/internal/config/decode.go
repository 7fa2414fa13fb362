package config

import (
	"encoding"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Path is the name of a file. A relative name in a configuration file is
// relative to that file's directory, so that a process may be started anywhere;
// in an environment variable it is relative to the working directory.
type Path string

// maxSize bounds a configuration file.
const maxSize = 1 << 20

// decoder fills a struct from a YAML document and collects everything that does
// not fit. goccy's own decoder stops at the first unknown key; an operator wants
// to see all of them at once.
type decoder struct {
	source   *Source
	dir      string // what a Path is relative to
	problems Problems
}

// decode reads data into into, a pointer to struct, in which present values
// stay as defaults.
func decode(file string, data []byte, into any) (*Source, Problems) {
	d := &decoder{source: &Source{file: file, at: map[string]Position{}}, dir: filepath.Dir(file)}
	if len(data) > maxSize {
		d.report(Position{File: file, Line: 1, Column: 1}, "", fmt.Errorf("larger than %d bytes", maxSize))
		return d.source, d.problems
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.syntax(err)
		return d.source, d.problems
	}
	body, ok := d.document(tree)
	if ok {
		d.value("", body, reflect.ValueOf(into).Elem())
	}
	return d.source, d.problems
}

// syntax reports what goccy says of text that is not YAML.
func (d *decoder) syntax(err error) {
	at := Position{File: d.source.file, Line: 1, Column: 1}
	var broken *yaml.SyntaxError
	if errors.As(err, &broken) {
		if p := broken.Token.Position; p != nil {
			at.Line, at.Column = p.Line, p.Column
		}
		err = errors.New(broken.Message)
	}
	d.report(at, "", err)
}

// document returns the body of the only document of a file.
func (d *decoder) document(tree *ast.File) (ast.Node, bool) {
	var bodies []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		d.report(Position{File: d.source.file, Line: 1, Column: 1}, "", errors.New("the file is empty"))
		return nil, false
	case len(bodies) > 1:
		d.report(d.at(bodies[1]), "", errors.New("a second YAML document; a process has one"))
		return nil, false
	}
	return bodies[0], true
}

// at is where n begins. The token of a block mapping is its first colon; people
// look for its first key.
func (d *decoder) at(n ast.Node) Position {
	if m, ok := n.(ast.MapNode); ok {
		if it := m.MapRange(); it.Next() {
			n = it.Key()
		}
	}
	p := n.GetToken().Position
	return Position{File: d.source.file, Line: p.Line, Column: p.Column}
}

func (d *decoder) report(at Position, path string, err error) {
	d.problems = append(d.problems, &Problem{At: at, Path: path, Err: err})
}

// value decodes n into v.
func (d *decoder) value(path string, n ast.Node, v reflect.Value) {
	if _, seen := d.source.at[path]; !seen && path != "" {
		d.source.at[path] = d.at(n)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, n, u)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(path, n, v)
	case reflect.Slice:
		d.sequence(path, n, v)
	case reflect.String:
		d.str(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// text decodes a string that its type reads, such as a duration.
func (d *decoder) text(path string, n ast.Node, u encoding.TextUnmarshaler) {
	s, ok := scalarText(n)
	if !ok {
		d.mismatch(path, n, "a text such as 30s")
		return
	}
	if err := u.UnmarshalText([]byte(s)); err != nil {
		d.report(d.at(n), path, err)
	}
}

func (d *decoder) str(path string, n ast.Node, v reflect.Value) {
	s, ok := scalarText(n)
	if !ok {
		d.mismatch(path, n, "a text")
		return
	}
	if _, isPath := v.Interface().(Path); isPath && s != "" && !filepath.IsAbs(s) {
		s = filepath.Join(d.dir, s)
	}
	v.SetString(s)
}

// scalar decodes bools and integers.
func (d *decoder) scalar(path string, n ast.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.mismatch(path, n, "true or false")
	case reflect.Int:
		if i, ok := n.(*ast.IntegerNode); ok {
			if u, small := i.Value.(uint64); small && u <= 1<<31-1 {
				v.SetInt(int64(u))
				return
			}
		}
		d.mismatch(path, n, "a whole number, not negative")
	default: // a field of a type nobody taught the decoder: a fault of ours
		panic("config: no decoding for " + v.Type().String())
	}
}

func (d *decoder) sequence(path string, n ast.Node, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mismatch(path, n, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) structure(path string, n ast.Node, v reflect.Value) {
	if field, ok := listField(v.Type()); ok && n.Type() == ast.SequenceType {
		d.sequence(path, n, v.Field(field))
		return
	}
	m, ok := n.(ast.MapNode)
	if !ok {
		d.mismatch(path, n, "a mapping of settings")
		return
	}
	fields := settings(v.Type())
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken()
		at := Position{File: d.source.file, Line: key.Position.Line, Column: key.Position.Column}
		field, known := fields[key.Value]
		if !known {
			d.report(at, "", &unknownError{key.Value, path, settingNames(v.Type())})
			continue
		}
		child := join(path, key.Value)
		if it.Value().Type() == ast.MappingType || it.Value().Type() == ast.SequenceType {
			d.source.at[child] = at // the first token of a block says less than its key
		}
		d.value(child, it.Value(), v.Field(field))
	}
}

func (d *decoder) mismatch(path string, n ast.Node, want string) {
	kind := strings.ToLower(n.Type().String())
	got := "a " + kind
	switch n.Type() {
	case ast.NullType:
		got = "nothing"
	case ast.IntegerType, ast.FloatType:
		got = "a number (quote it to make it a text)"
	case ast.AliasType, ast.AnchorType, ast.TagType, ast.MergeKeyType:
		got = "YAML's " + kind + ", which certbound does not read: write the value out"
	}
	d.report(d.at(n), path, fmt.Errorf("want %s, got %s", want, got))
}

// scalarText returns the text of a plain, quoted or block string.
func scalarText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	}
	return "", false
}

// settings maps the yaml names of a struct's fields to their index.
func settings(t reflect.Type) map[string]int {
	m := map[string]int{}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			m[name] = i
		}
	}
	return m
}

// listField is the field that a plain list stands for where a mapping could be:
// the one with the tag list:"true".
func listField(t reflect.Type) (index int, ok bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("list") == "true" {
			return i, true
		}
	}
	return 0, false
}

// settingNames lists a struct's settings in the order of their declaration.
func settingNames(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// unknownError is a key that no setting has.
type unknownError struct{ key, in, known string }

func (e *unknownError) Error() string {
	in := ""
	if e.in != "" {
		in = " in " + e.in
	}
	return fmt.Sprintf("unknown setting %q%s; known here: %s", e.key, in, e.known)
}

func isUnknown(p *Problem) bool {
	var unknown *unknownError
	return errors.As(p.Err, &unknown)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
