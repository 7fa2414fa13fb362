// Command generate writes the test vectors into a directory, conformance/vectors
// by default: go run ./conformance/vectors/generate
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/certbound/certbound/conformance/vectors"
)

func main() {
	dir := filepath.Join("conformance", "vectors")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for name, content := range vectors.Files() {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // to be published
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}
