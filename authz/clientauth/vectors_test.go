package clientauth

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/certbound/certbound/storage"
)

// TestNameVectors holds the matchers to the published verdicts.
func TestNameVectors(t *testing.T) {
	data, err := os.ReadFile("../../conformance/vectors/names.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			ID, Parameter, Registered, Verdict string
			PEM                                string `json:"certificate_pem"`
		}
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Cases) < 70 {
		t.Fatalf("%d cases, %v", len(file.Cases), err)
	}
	for _, c := range file.Cases {
		if got := verdictOfName(t, strings.TrimPrefix(c.Parameter, "tls_client_auth_"), c.Registered, c.PEM); got != c.Verdict {
			t.Errorf("%s: %s, the vectors say %s", c.ID, got, c.Verdict)
		}
	}
}

func verdictOfName(t *testing.T, kind, registered, text string) string {
	t.Helper()
	m, err := NewMatcher(storage.MatcherKind(kind), registered)
	if err != nil {
		return "refused"
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "registered"
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if matches(m, leaf).ok {
		return "match"
	}
	return "mismatch"
}
