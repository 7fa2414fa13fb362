package explain

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/resource"
)

// Text writes the report for a terminal: the verdict, each check in a line, and
// what there is to say of those that failed.
func (r *Report) Text(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range r.Steps {
		r.Steps[i].text(out)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if r.Accepted {
		_, err := fmt.Fprintf(w, "\nIt would be accepted%s.\n", r.reservation())
		return err
	}
	_, err := fmt.Fprintf(w, "\nIt would be refused: %s\n  it means  %s\n  to check  %s\n", r.Reason, r.Meaning, r.ToDo)
	return err
}

// reservation says what the verdict does not cover.
func (r *Report) reservation() string {
	var missing string
	for i := range r.Steps {
		if r.Steps[i].Outcome == resource.NotChecked {
			missing += ", " + r.Steps[i].Check
		}
	}
	if missing == "" {
		return ""
	}
	return ", as far as was checked; not checked: " + missing[2:]
}

func (s *Step) text(w io.Writer) {
	said := cmp.Or(s.Seen, s.Expected)
	if s.Outcome == resource.NotChecked {
		said = s.Detail
	}
	line := func(first, second, third string) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", first, second, cli.Plain(third))
	}
	if s.Outcome != resource.Failed {
		line(string(s.Outcome), s.Check, said)
		return
	}
	line("FAILED", s.Check, string(s.Reason))
	for _, more := range []struct{ title, text string }{{"expected", s.Expected}, {"seen", s.Seen}, {"detail", s.Detail}} {
		if more.text != "" {
			line("", "  "+more.title, more.text)
		}
	}
	for _, hint := range s.Hints {
		line("", "  hint", hint)
	}
}
