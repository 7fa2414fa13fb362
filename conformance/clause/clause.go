// Package clause ties tests to the clauses of the specifications. A clause is a
// record in conformance/requirements; a test names those it covers with
// [Covers]; [Check] finds a MUST that has neither a test nor a reasoned
// exception, and names that do not exist.
package clause

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/certbound/certbound/conformance/requirements"
)

// Clause is one thing a specification asks for.
type Clause struct {
	ID        string   `yaml:"id"`      // RFC8705-2-1-b: RFC, section, and a letter where a section has several
	RFC       string   `yaml:"-"`       // RFC8705, from the file's head
	Section   string   `yaml:"section"` // "2.1"
	Level     string   `yaml:"level"`   // MUST, SHOULD, MAY
	Binds     []string `yaml:"binds"`   // AS, RS, C (client library), REG (registration)
	Text      string   `yaml:"text"`
	Rows      []string `yaml:"rows"`      // the rows of the requirements list it answers, as in A07
	Code      []string `yaml:"code"`      // what implements it, below the module's root; default: the file's
	Exception string   `yaml:"exception"` // why no test covers it
	Title     string   `yaml:"-"`         // of the RFC, from the file's head
}

type file struct {
	RFC     string   `yaml:"rfc"`
	Title   string   `yaml:"title"`
	Code    []string `yaml:"code"`
	Clauses []Clause `yaml:"clauses"`
}

var (
	levels = regexp.MustCompile(`^(MUST|SHOULD|MAY)$`)
	binds  = regexp.MustCompile(`^(AS|RS|C|REG)$`)
	rows   = regexp.MustCompile(`^[A-N]\d\d$`)
)

// Load reads and checks every *.yaml of fsys. All errors are reported at once.
func Load(fsys fs.FS) ([]Clause, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("clause: %w", err)
	}
	var (
		all  []Clause
		errs []error
		seen = map[string]bool{}
	)
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("clause: %w", err)
		}
		var f file
		if err := yaml.UnmarshalWithOptions(content, &f, yaml.Strict()); err != nil {
			errs = append(errs, fmt.Errorf("clause: %s: %w", name, err))
			continue
		}
		for _, c := range f.Clauses {
			c.RFC, c.Title = f.RFC, f.Title
			if len(c.Code) == 0 {
				c.Code = f.Code
			}
			if err := c.validate(); err != nil {
				errs = append(errs, fmt.Errorf("clause: %s: %s: %w", name, c.ID, err))
			}
			if seen[c.ID] {
				errs = append(errs, fmt.Errorf("clause: %s: %s stands there twice", name, c.ID))
			}
			seen[c.ID] = true
			all = append(all, c)
		}
	}
	return all, errors.Join(errs...)
}

func (c *Clause) validate() error {
	form := regexp.MustCompile("^" + regexp.QuoteMeta(c.RFC+"-"+strings.ReplaceAll(c.Section, ".", "-")) + "(-[a-z])?$")
	switch {
	case c.RFC == "" || !form.MatchString(c.ID):
		return fmt.Errorf("the id must be RFC, section and perhaps a letter, as in RFC8705-2-1-b")
	case !levels.MatchString(c.Level):
		return fmt.Errorf("level %q is not MUST, SHOULD or MAY (write MUST NOT as a MUST, in words)", c.Level)
	case c.Text == "":
		return errors.New("text is missing")
	case len(c.Binds) == 0:
		return errors.New("binds is missing")
	}
	for _, b := range c.Binds {
		if !binds.MatchString(b) {
			return fmt.Errorf("binds %q is not AS, RS, C or REG", b)
		}
	}
	for _, row := range c.Rows {
		if !rows.MatchString(row) {
			return fmt.Errorf("row %q is not a letter and two digits", row)
		}
	}
	return nil
}

// known is the set of ids, read once.
var known = sync.OnceValues(func() (map[string]bool, error) {
	all, err := Load(requirements.Files)
	ids := map[string]bool{}
	for _, c := range all {
		ids[c.ID] = true
	}
	return ids, err
})

// Covers says that the running test covers the clauses. Call it first, with
// string literals: the static check reads them from the source.
func Covers(t testing.TB, ids ...string) {
	t.Helper()
	all, err := known()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if !all[id] {
			t.Fatalf("clause: %s is not in conformance/requirements", id)
		}
	}
	t.Logf("covers %s", strings.Join(ids, " "))
}
