package main

import (
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/certbound/certbound/cmd/certbound/internal/dev"
)

// commands DIR FILE writes what the dev in DIR printed as its next commands to
// FILE, each without change, for a shell to run.
func commands(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: commands DIR FILE")
	}
	info, err := dev.ReadInfo(ts.MkAbs(args[0]))
	ts.Check(err)
	var lines []string
	for line := range strings.Lines(info.Next()) {
		if strings.HasPrefix(line, "curl ") || strings.HasPrefix(line, "TOKEN=") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 5 {
		ts.Fatalf("dev prints %d commands, want 5", len(lines))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(lines, "echo\n")), 0o600))
}
