package policytest

import (
	"strings"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// judge compares what a case expects with what happened, in the same words, and
// only in those that the case uses.
func judge(k *config.PolicyCase, seen outcome) Result {
	d := &seen.decision
	r := Result{Case: k.Name, Passed: true, Detail: d.Evidence.Detail}
	var expected, got []string
	compare := func(label, want, have string) {
		if have == "" {
			have = "none"
		}
		expected, got = append(expected, label+want), append(got, label+have)
		r.Passed = r.Passed && want == have
	}
	compare("", k.Expect, verb(d.Allowed))
	switch {
	case k.Reason != "":
		compare("", k.Reason, string(d.Reason))
	case d.Reason != "": // shown, because it is what people look for
		got = append(got, string(d.Reason))
	}
	if k.Route != "" {
		compare("by ", k.Route, d.Evidence.Route)
	} else if d.Evidence.Route != "" {
		got = append(got, "by "+d.Evidence.Route)
	}
	if k.Upstream != "" {
		compare("to ", k.Upstream, seen.upstream)
	}
	r.Expected, r.Seen = strings.Join(expected, " "), strings.Join(got, " ")
	return r
}

func verb(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "refuse"
}
