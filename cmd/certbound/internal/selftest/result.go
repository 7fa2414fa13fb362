package selftest

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

// Outcome of a probe.
type Outcome string

// The outcomes. Unclear is an answer that is neither success nor refusal; it is
// no pass.
const (
	OK      Outcome = "ok"
	Hole    Outcome = "HOLE"
	Unclear Outcome = "UNCLEAR"
	Skipped Outcome = "skipped"
)

// Result is what came of one probe.
type Result struct {
	Probe   string  `json:"probe"` // stable name, "proxy.no_certificate"
	Title   string  `json:"title"` // what was tried
	Outcome Outcome `json:"outcome"`
	Seen    string  `json:"seen"`
	Danger  string  `json:"danger,omitempty"` // of a hole: what it is good for
}

// Report is the result of a run.
type Report struct {
	Results  []Result `json:"results"`
	Requests int      `json:"requests"` // connections that were tried, too
	Holes    int      `json:"holes"`
	Unclear  int      `json:"unclear"`
	Skipped  int      `json:"skipped"`
}

func (r *Report) add(one Result) {
	r.Results = append(r.Results, one)
	switch one.Outcome {
	case Hole:
		r.Holes++
	case Unclear:
		r.Unclear++
	case Skipped:
		r.Skipped++
	}
}

// Passed reports whether every probe that was made was answered as it should be.
func (r *Report) Passed() bool { return r.Holes == 0 && r.Unclear == 0 }

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, one := range r.Results {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", one.Outcome, one.Probe, one.Title, cli.Plain(one.Seen))
		if one.Danger != "" {
			fmt.Fprintf(out, "\t\t  %s\t\n", one.Danger)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d probes, %d requests: %d holes, %d unclear, %d skipped\n", len(r.Results), r.Requests, r.Holes, r.Unclear, r.Skipped)
	return err
}
