package authz_test

import (
	"crypto/x509"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// jwk is a certificate as a JWK with x5c, as a partner would send it.
func jwk(t testing.TB, certificate *x509.Certificate) map[string]any {
	t.Helper()
	text, err := jose.JSONWebKey{Key: certificate.PublicKey, Certificates: []*x509.Certificate{certificate}}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}
