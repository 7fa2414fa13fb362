package foreign

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// TestSnippets: the code that `client snippet` prints works as it is printed, and
// has nothing to complain about.
func TestSnippets(t *testing.T) {
	d := harness.Shared(t)
	client := d.Client(t, "acme-billing")
	for _, tt := range []struct {
		language, file string
		command        []string
	}{
		{"curl", "call.sh", []string{"sh"}},
		{"go", "call.go", []string{"go", "run"}},
		{"python", "call.py", []string{"python3"}},
		{"node", "call.js", []string{"node"}},
		{"java", "Call.java", []string{"java"}},
	} {
		t.Run(tt.language, func(t *testing.T) {
			if tt.language == "curl" {
				keystest.Program(t, "curl")
			}
			name := keystest.Program(t, tt.command[0])
			result := harness.Run(t, "client", "snippet", "acme-billing", "--lang", tt.language, "--issuer", d.Issuer, "--scope", "accounts:read",
				"--api-url", d.Proxy+"/accounts", "--client-cert", d.Path(client.Cert), "--client-key", d.Path(client.Key), "--server-ca", d.Path(d.CA))
			if result.Code != 0 {
				t.Fatalf("%s", result.Stderr)
			}
			file := filepath.Join(t.TempDir(), tt.file)
			writeFile(t, file, []byte(result.Stdout))
			var complaints bytes.Buffer
			command := exec.CommandContext(t.Context(), name, append(tt.command[1:], file)...)
			command.Stderr = &complaints
			out, err := command.Output()
			if err != nil || !strings.Contains(string(out), "/accounts") || complaints.Len() > 0 {
				t.Errorf("%v\n%s\n%s\n%s", err, out, complaints.String(), result.Stdout)
			}
		})
	}
}
