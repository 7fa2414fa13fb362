package doctor

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

// Level of a finding.
type Level string

// The levels. A problem stops the installation, or makes it unsafe, now or at the
// next start; a warning is a risk somebody has to accept.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "PROBLEM"
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // stable name, "clock"
	What  string `json:"what"`
	Why   string `json:"why,omitempty"`
	Fix   string `json:"fix,omitempty"`
}

// Report is all findings, in the order of the examination.
type Report struct {
	Findings []Finding `json:"findings"`
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
}

func (r *Report) add(f Finding) {
	r.Findings = append(r.Findings, f)
	switch f.Level {
	case Problem:
		r.Problems++
	case Warning:
		r.Warnings++
	}
}

func (r *Report) ok(check, format string, args ...any) {
	r.add(Finding{Level: OK, Check: check, What: fmt.Sprintf(format, args...)})
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(out, "%s\t%s\t%s\n", f.Level, f.Check, cli.Plain(f.What))
		if f.Why != "" {
			fmt.Fprintf(out, "\t\t  why  %s\n", cli.Plain(f.Why))
		}
		if f.Fix != "" {
			fmt.Fprintf(out, "\t\t  fix  %s\n", cli.Plain(f.Fix))
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d problems, %d warnings\n", r.Problems, r.Warnings)
	return err
}
