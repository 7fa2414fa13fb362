package thumbprint_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"testing"

	"github.com/certbound/certbound/keys/thumbprint"
)

// TestVectors holds the package to the published thumbprints and verdicts.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile("../../conformance/vectors/thumbprints.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Certificates []struct {
			PEM        string `json:"certificate_pem"`
			Thumbprint string `json:"x5t#S256"`
		}
		Texts []struct{ ID, Text, Verdict string }
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Certificates) < 5 || len(file.Texts) < 10 {
		t.Fatalf("%d certificates, %d texts, %v", len(file.Certificates), len(file.Texts), err)
	}
	for _, c := range file.Certificates {
		block, _ := pem.Decode([]byte(c.PEM))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := thumbprint.Of(cert).String(); got != c.Thumbprint {
			t.Errorf("%s, the vectors say %s", got, c.Thumbprint)
		}
	}
	for _, c := range file.Texts {
		if _, err := thumbprint.Parse(c.Text); (err == nil) != (c.Verdict == "accept") {
			t.Errorf("%s: %v, the vectors say %s", c.ID, err, c.Verdict)
		}
	}
}
