package health

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Check is one thing that a process needs, as /readyz?verbose lists it.
type Check struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// State of a check.
type State string

// The states. What is degraded does not keep the process from its work.
const (
	OK       State = "ok"
	Degraded State = "degraded"
	Failed   State = "failed"
)

// marks begin the lines of the report (package ops).
var marks = []struct {
	mark  string
	state State
}{
	{"[+] ", OK}, {"[!] degraded: ", Degraded}, {"[-] ", Failed},
}

// parseListing reads the report of /readyz?verbose, or the one word of /livez. The
// last line is the verdict; a line without a mark belongs to the check before it.
func parseListing(body string) (checks []Check, verdict string) {
	body = strings.TrimSuffix(body, "\n")
	if i := strings.LastIndexByte(body, '\n'); i >= 0 {
		body, verdict = body[:i], body[i+1:]
	} else {
		return nil, body
	}
	for line := range strings.SplitSeq(body, "\n") {
		if check, ok := parseCheck(line); ok {
			checks = append(checks, check)
		} else if n := len(checks); n > 0 {
			checks[n-1].Detail += "\n" + line
		}
	}
	return checks, verdict
}

func parseCheck(line string) (Check, bool) {
	for _, m := range marks {
		if rest, ok := strings.CutPrefix(line, m.mark); ok {
			name, detail, _ := strings.Cut(rest, ": ")
			return Check{Name: name, State: m.state, Detail: detail}, true
		}
	}
	return Check{}, false
}

// listed judges an answer of the ops listener.
func listed(report *Report, body []byte) {
	checks, verdict := parseListing(string(body))
	report.Checks = checks
	report.Healthy = report.Status == http.StatusOK && verdict == "ok"
	if report.Healthy {
		return
	}
	var failed []string
	for _, check := range checks {
		if check.State == Failed {
			failed = append(failed, check.Name+": "+check.Detail)
		}
	}
	switch {
	case len(failed) > 0:
		report.Reason = strings.Join(failed, "; ")
	case report.Status == http.StatusOK:
		report.Reason = "what answers is not the ops listener of certbound"
	default:
		report.Reason = fmt.Sprintf("status %d", report.Status)
	}
}

// refusal is the body of whatever certbound does not answer with 200.
type refusal struct {
	Description string `json:"error_description"`
	Reason      string `json:"reason"`
}

// served judges an answer that has to be 200.
func served(report *Report, body []byte) {
	if report.Healthy = report.Status == http.StatusOK; !report.Healthy {
		report.Reason = said(report.Status, body)
	}
}

// answered judges an answer that may be a refusal, as long as it is one of ours and
// about the request: a proxy without metadata has no page that anybody may read.
func answered(report *Report, body []byte) {
	served(report, body)
	var r refusal
	if !report.Healthy && report.Status < http.StatusInternalServerError && json.Unmarshal(body, &r) == nil && r.Reason != "" {
		report.Healthy, report.Reason = true, ""
	}
}

// said is what a refusal gives as its reason.
func said(status int, body []byte) string {
	var r refusal
	if json.Unmarshal(body, &r) != nil || r.Reason == "" {
		return fmt.Sprintf("status %d", status)
	}
	if r.Description == "" {
		return fmt.Sprintf("status %d, %s", status, r.Reason)
	}
	return fmt.Sprintf("status %d, %s: %s", status, r.Reason, r.Description)
}
