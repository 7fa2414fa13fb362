package registration

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// Problem is one thing wrong with a registration.
type Problem struct {
	Line, Column int    // in the text it was decoded from; 0 when code made it
	Record       string // "clients[0]"; empty when it is about the text as a whole
	ID           string // of that record, as written
	Err          error
}

// Text says what is wrong, without position and package.
func (p *Problem) Text() string {
	if p.Record == "" {
		return p.Err.Error()
	}
	return fmt.Sprintf("%s %q: %v", p.Record, p.ID, p.Err)
}

func (p *Problem) Error() string {
	if p.Line == 0 {
		return "registration: " + p.Text()
	}
	return fmt.Sprintf("registration: %d:%d: %s", p.Line, p.Column, p.Text())
}

func (p *Problem) Unwrap() error { return p.Err }

// Problems is everything wrong with a registration.
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

// orNil keeps an empty list from becoming an error.
func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Fault is one thing wrong with a body, at one of its members.
type Fault struct {
	Member string // "scopes[1]"; empty for the body as a whole
	Err    error
	said   string // Err for whoever sees the member; empty: Err's own text
}

// Text is for an answer that names the member.
func (f Fault) Text() string {
	if f.said != "" {
		return f.said
	}
	return f.Err.Error()
}

// Faults is everything wrong with a body.
type Faults []Fault

// Add notes err, when there is one.
func (f *Faults) Add(member string, err error) {
	for _, one := range split(err) {
		*f = append(*f, Fault{Member: member, Err: one})
	}
}

// split takes apart what errors.Join put together, so that each problem gets a
// line and a place of its own.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // of this error only, not of one it wraps
		if parts := joined.Unwrap(); errors.Join(parts...).Error() == err.Error() {
			return parts
		}
	}
	return []error{err}
}

// problem places err at a member of the i-th record of a list.
func (r *Set) problem(list string, i int, id, member string, err error) *Problem {
	record := fmt.Sprintf("%s[%d]", list, i)
	at := r.positions.locate(record + "." + member)
	return &Problem{Line: at.line, Column: at.column, Record: record, ID: id, Err: err}
}

// decodeProblem is what goccy says of a text.
func decodeProblem(err error) error {
	p := &Problem{Err: err}
	if placed := yaml.Error(nil); errors.As(err, &placed) {
		p.Err = errors.New(placed.GetMessage())
		if t := placed.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return Problems{p}
}
