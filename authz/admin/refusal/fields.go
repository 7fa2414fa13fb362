package refusal

import (
	"regexp"
	"slices"
	"strings"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/registration"
)

// FieldError names a member or parameter, never its value.
type FieldError struct {
	Field   string `json:"field" doc:"The member, parameter or header."`
	Pointer string `json:"pointer,omitempty" doc:"JSON pointer (RFC 6901) into the body."`
	Detail  string `json:"detail"`
	Owner   string `json:"owner,omitempty" doc:"The id of the record that has what was asked for."`
}

// Invalid collects what is wrong with members and parameters; values are never
// repeated, since a caller may have put a secret in the wrong place.
type Invalid []FieldError

// Add notes what is wrong with a parameter or header.
func (i *Invalid) Add(field, detail string) {
	*i = append(*i, FieldError{Field: field, Detail: detail})
}

// At notes what is wrong at a member of the body.
func (i *Invalid) At(pointer, detail string) {
	field := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	if field == "" {
		field = "body"
	}
	*i = append(*i, FieldError{Field: field, Pointer: pointer, Detail: detail})
}

// Faults adds what the rules of records say. A member of which something has been
// said already is not mentioned again.
func (i *Invalid) Faults(all registration.Faults) {
	said := slices.Clone(*i)
	for _, f := range all {
		pointer := document.Pointer(f.Member)
		if !slices.ContainsFunc(said, func(e FieldError) bool { return e.Pointer == pointer && pointer != "" }) {
			i.At(pointer, Unquoted(f.Text()))
		}
	}
}

// Stays notes an attempt to give a record another id.
func (i *Invalid) Stays(pointer, have, want string) {
	if have != want {
		i.At(pointer, "never changes")
	}
}

// Err is the refusal, when anything is wrong.
func (i Invalid) Err() error {
	if len(i) == 0 {
		return nil
	}
	return &Refusal{Reason: InputInvalid, Errors: i}
}

// quoted finds what messages repeat of the input.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// Unquoted leaves out what a message repeats of the input: a seed's author may see it,
// an answer does not have it.
func Unquoted(message string) string { return quoted.ReplaceAllString(message, `"…"`) }

// Taken is what a record cannot have, because another one has it.
type Taken struct {
	Pointer string // "/id"
	Detail  string
	Owner   string // the id of the other one
}

// Conflicting refuses what other records have, or still need.
func Conflicting(all ...Taken) *Refusal {
	f := New(Conflict, "another record has what this one is to have, or still needs what is to go")
	for _, t := range all {
		var bad Invalid
		bad.At(t.Pointer, t.Detail)
		bad[0].Owner = t.Owner
		f.Errors = append(f.Errors, bad...)
	}
	return f
}

// Missing refuses a body that refers to what is not there.
func Missing(all registration.Faults) error {
	var bad Invalid
	bad.Faults(all)
	return bad.Err()
}
