package resource_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/jwks"
)

// vectorFile is a file of conformance/vectors as a stranger would read it.
type vectorFile struct {
	Issuer, Audience, Scope string
	EvaluatedAt             time.Time       `json:"evaluated_at"`
	LeewaySeconds           int             `json:"leeway_seconds"`
	JWKS                    json.RawMessage `json:"jwks"`
	Certificates            []struct {
		Name string `json:"name"`
		PEM  string `json:"certificate_pem"`
		Key  string `json:"key_pem"`
	}
	Cases []struct {
		ID, Certificate, Token, Verdict, Reason string
		EvaluatedAt                             *time.Time `json:"evaluated_at"`
	}
}

func verdictOf(err error) (verdict, reason string) {
	if err == nil {
		return "accept", ""
	}
	var refusal *resource.Refusal
	if !errors.As(err, &refusal) {
		return "error", err.Error()
	}
	return "refuse", string(refusal.Decision.Reason)
}

// TestVectors holds the verifier to the published verdicts and reasons.
func TestVectors(t *testing.T) {
	for _, name := range []string{"tokens.json", "signatures.json"} {
		data, err := os.ReadFile("../conformance/vectors/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var file vectorFile
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(file.Cases) < 60 {
			t.Errorf("%s: %d cases", name, len(file.Cases))
		}
		t.Run(name, file.check)
	}
}

func (f *vectorFile) check(t *testing.T) {
	keys, err := jwks.Parse(f.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	certificates := map[string]*x509.Certificate{}
	for _, c := range f.Certificates {
		pair, err := tls.X509KeyPair([]byte(c.PEM), []byte(c.Key)) // the key belongs to it
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		certificates[c.Name] = pair.Leaf
	}
	now := f.EvaluatedAt
	verifier, err := resource.New(resource.Config{
		Issuer: f.Issuer, Audience: f.Audience, Keys: keys,
		Leeway: time.Duration(f.LeewaySeconds) * time.Second, Clock: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Cases {
		now = f.EvaluatedAt
		if c.EvaluatedAt != nil {
			now = *c.EvaluatedAt
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+c.Token)
		r.TLS = &tls.ConnectionState{HandshakeComplete: true}
		if c.Certificate != "" {
			r.TLS.PeerCertificates = []*x509.Certificate{certificates[c.Certificate]}
		}
		_, err := verifier.VerifyRequest(r, f.Scope)
		if got, reason := verdictOf(err); got != c.Verdict || reason != c.Reason {
			t.Errorf("%s: %s %s, the vectors say %s %s", c.ID, got, reason, c.Verdict, c.Reason)
		}
	}
}
