package document

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-jose/go-jose/v4/json"
)

// maxDepth bounds how deep the objects and lists of a body may be nested.
const maxDepth = 16

// ErrMalformed: the body is not one JSON value in UTF-8 with unique members.
var ErrMalformed = errors.New("document: the body is not one JSON value in UTF-8 with unique members")

// ErrTooDeep: the body is nested deeper than any record is.
var ErrTooDeep = fmt.Errorf("document: the body is nested deeper than %d", maxDepth)

// Fault is one thing that is wrong with a body. It repeats no value.
type Fault struct {
	Pointer string // RFC 6901; "" is the body
	Detail  string
}

// Read decodes a body into a pointer to a type of the document. Faults are what the
// document does not allow; ok tells that the body could be decoded nevertheless, so
// that what else is wrong can be said with them. The error is [ErrMalformed] or
// [ErrTooDeep].
func (d *Document) Read(data []byte, into any) (faults []Fault, ok bool, err error) {
	value, err := parse(data)
	if err != nil {
		return nil, false, err
	}
	return d.decode(value, into)
}

// Merge is Read for a merge patch (RFC 7396) of the state that present has.
func (d *Document) Merge(present any, patch []byte, into any) (faults []Fault, ok bool, err error) {
	change, err := parse(patch)
	if err != nil {
		return nil, false, err
	}
	members, isObject := change.(map[string]any)
	if !isObject {
		return []Fault{{"", "must be an object"}}, false, nil
	}
	// What takes away a member that there is none of would leave no trace.
	known := d.resolved(into).Properties
	for name, value := range members {
		if _, ok := known[name]; !ok && value == nil {
			faults = append(faults, unknown("", name))
		}
	}
	text, err := json.Marshal(present)
	if err != nil {
		return nil, false, fmt.Errorf("document: %w", err)
	}
	state, err := parse(text)
	if err != nil {
		return nil, false, err
	}
	more, ok, err := d.decode(merge(state, change), into)
	return append(faults, more...), ok, err
}

// merge is MergePatch of RFC 7396 §2.
func merge(target, patch any) any {
	changes, isObject := patch.(map[string]any)
	if !isObject {
		return patch
	}
	members, isObject := target.(map[string]any)
	if !isObject {
		members = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(members, name)
		} else {
			members[name] = merge(members[name], value)
		}
	}
	return members
}

// parse reads any JSON value within the bounds.
func parse(data []byte) (value any, err error) {
	if !utf8.Valid(data) {
		return nil, ErrMalformed
	}
	// The standard library's tokens need no recursion: the depth is known before
	// anything is built.
	depth := 0
	for tokens := stdjson.NewDecoder(bytes.NewReader(data)); ; {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, ErrMalformed
		}
		switch token {
		case stdjson.Delim('{'), stdjson.Delim('['):
			depth++
		case stdjson.Delim('}'), stdjson.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return nil, ErrTooDeep
		}
	}
	// go-jose's fork of encoding/json: names are case-sensitive and unique.
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, ErrMalformed
	}
	return value, nil
}

func (d *Document) resolved(into any) *huma.Schema {
	schema := d.schema(into)
	for schema.Ref != "" {
		schema = d.registry.SchemaFromRef(schema.Ref)
	}
	return schema
}

func (d *Document) decode(value, into any) (faults []Fault, ok bool, err error) {
	result := &huma.ValidateResult{}
	huma.Validate(d.registry, d.schema(into), huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, result)
	for _, err := range result.Errors {
		faults = append(faults, faultOf(err))
	}
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Pointer+" "+a.Detail, b.Pointer+" "+b.Detail) })
	// Not go-jose's fork: it writes 7776000 as 7.776e+06, which is no integer then.
	text, err := stdjson.Marshal(value)
	if err != nil {
		return nil, false, fmt.Errorf("document: %w", err)
	}
	reflect.ValueOf(into).Elem().SetZero()
	if err := json.Unmarshal(text, into); err != nil {
		if len(faults) == 0 {
			faults = append(faults, Fault{"", "has a member of the wrong type"})
		}
		return faults, false, nil
	}
	return faults, true, nil
}

// faultOf turns what huma says into a pointer and a text. It says that a member is
// missing at the object around it, and repeats values in its own errors only beside
// the text.
func faultOf(err error) Fault {
	var detail *huma.ErrorDetail
	if !errors.As(err, &detail) {
		return Fault{"", "cannot be accepted"}
	}
	pointer := toPointer(detail.Location)
	if rest, ok := strings.CutPrefix(detail.Message, "expected required property "); ok {
		return Fault{pointer + "/" + strings.TrimSuffix(rest, " to be present"), "is missing"}
	}
	if detail.Message == "unexpected property" {
		i := strings.LastIndexByte(pointer, '/')
		return unknown(pointer[:max(i, 0)], pointer[i+1:])
	}
	return Fault{pointer, detail.Message}
}

// unknown names a member when it looks like a name: somebody may have put a secret
// there.
func unknown(object, name string) Fault {
	const longest = 64
	for i := range len(name) {
		c := name[i]
		if ('a' > c || c > 'z') && ('A' > c || c > 'Z') && ('0' > c || c > '9') && !strings.ContainsRune("._-#$", rune(c)) {
			name = ""
			break
		}
	}
	if name == "" || len(name) > longest {
		return Fault{object, "has a member that is not known here"}
	}
	return Fault{object + "/" + name, "is not known here"}
}

// toPointer turns "jwks.keys[0].x" into "/jwks/keys/0/x".
func toPointer(location string) string {
	if location == "" {
		return ""
	}
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(location)
}

// Pointer is the JSON pointer to a member written as "scopes[1]" or "jwks.keys[0]";
// "" is the body.
func Pointer(member string) string { return toPointer(member) }
