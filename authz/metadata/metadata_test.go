package metadata

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

type keySet string

func (k keySet) JWKS(context.Context) ([]byte, error) { return []byte(k), nil }

func TestParseIssuer(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://as.example":             true,
		"https://as.example:8443":        true,
		"https://as.example/bank":        true,
		"https://as.example/bank/eu":     true,
		"http://as.example":              false,
		"https://":                       false,
		"as.example":                     false,
		"":                               false,
		"https://as.example/":            false,
		"https://as.example/bank/":       false,
		"https://as.example?":            false,
		"https://as.example?tenant=bank": false,
		"https://as.example#x":           false,
		"https://user@as.example":        false,
		"https://as.example/a%2fb":       false,
		"https://as.example/{id}":        false,
	} {
		if _, err := ParseIssuer(issuer); (err == nil) != good {
			t.Errorf("ParseIssuer(%q): %v", issuer, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New("http://as.example", keySet("{}"), time.Minute); err == nil {
		t.Error("a plain http issuer was accepted")
	}
	if _, err := New("https://as.example", nil, time.Minute); err == nil {
		t.Error("a missing key set was accepted")
	}
}

// TestIssuerWithAPath: RFC 8414 §3 puts the well-known part between host and path.
func TestIssuerWithAPath(t *testing.T) {
	e, err := New("https://as.example/bank", keySet(`{"keys":[]}`), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.MetadataPath(), "/.well-known/oauth-authorization-server/bank"; got != want {
		t.Errorf("metadata at %s, want %s", got, want)
	}
	if got, want := e.JWKSPath(), "/bank/.well-known/jwks.json"; got != want {
		t.Errorf("keys at %s, want %s", got, want)
	}
	w := httptest.NewRecorder()
	e.ServeMetadata(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var d Document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Issuer != "https://as.example/bank" || d.TokenEndpoint != "https://as.example/bank/oauth2/token" ||
		d.MTLSEndpointAliases.TokenEndpoint != d.TokenEndpoint || d.JWKSURI != "https://as.example/bank/.well-known/jwks.json" {
		t.Errorf("document %+v", d)
	}
}
