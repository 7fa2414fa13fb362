// Package requirements holds the clauses of the specifications certbound answers
// to, as data: one YAML file per RFC, in our own words. Package clause reads
// them.
package requirements

import "embed"

// Files are the clause files.
//
//go:embed *.yaml
var Files embed.FS
