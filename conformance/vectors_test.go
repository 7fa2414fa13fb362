package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/conformance/vectors"
)

// TestVectorsArePublishedAsMade: the files are what the program makes, every time.
func TestVectorsArePublishedAsMade(t *testing.T) {
	readme, err := os.ReadFile("vectors/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range vectors.Files() {
		published, err := os.ReadFile(filepath.Join("vectors", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(published) != string(content) {
			t.Errorf("%s is not what is made now: go run ./conformance/vectors/generate", name)
		}
		if !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("README.md does not say what %s is", name)
		}
	}
}

// TestVectorsExplained has the binary judge the published tokens, from files alone.
func TestVectorsExplained(t *testing.T) {
	clause.Covers(t, "RFC8705-3-b", "RFC8705-3-d")
	var file vectors.TokenFile
	if err := json.Unmarshal(vectors.Files()["tokens.json"], &file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	jwks := write("jwks.json", string(file.JWKS))
	for _, c := range file.Certificates {
		write(c.Name+".pem", c.PEM)
	}
	for _, c := range file.Cases {
		if c.Certificate == "" { // the command is about a certificate
			continue
		}
		at := file.EvaluatedAt
		if c.EvaluatedAt != nil {
			at = *c.EvaluatedAt
		}
		result := harness.Run(t, "explain", "token", "-o", "json", "--token-file", write("token", c.Token), "--cert", filepath.Join(dir, c.Certificate+".pem"),
			"--jwks", jwks, "--issuer", file.Issuer, "--audience", file.Audience, "--scope", file.Scope, "--leeway", "10s", "--at", at.Format(time.RFC3339))
		var report struct {
			Accepted bool
			Reason   string
		}
		if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil {
			t.Fatalf("%s: %v\n%s%s", c.ID, err, result.Stdout, result.Stderr)
		}
		if report.Accepted != (c.Verdict == "accept") || report.Reason != c.Reason || (result.Code == 0) != report.Accepted {
			t.Errorf("%s: accepted %t %s, code %d; the vectors say %s %s", c.ID, report.Accepted, report.Reason, result.Code, c.Verdict, c.Reason)
		}
	}
}
