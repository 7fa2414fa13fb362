package main

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the baselines, as the program itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == baselineCommand {
		exit(runBaseline(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// TestEveryScenarioRuns keeps the program from rotting. It looks at no number:
// what fails here is a refused request or a server that does not start.
func TestEveryScenarioRuns(t *testing.T) {
	o := options{rounds: 1, requests: 40, connections: 2, durability: "strict"}
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.memory = 40
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}
