package resource_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestImports counts what a user of the verifier pulls in beyond the standard
// library. A new line here is a decision, not an accident.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	want := []string{
		"github.com/certbound/certbound/keys/peercert",
		"github.com/certbound/certbound/keys/thumbprint",
		"github.com/certbound/certbound/resource",
		"github.com/certbound/certbound/resource/accesstoken",
		"github.com/certbound/certbound/resource/decision",
		"github.com/certbound/certbound/resource/jwks",
		"github.com/go-jose/go-jose/v4",
		"github.com/go-jose/go-jose/v4/cipher",
		"github.com/go-jose/go-jose/v4/json",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages outside of the standard library (-want +got):\n%s", diff)
	}
}
