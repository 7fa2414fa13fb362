package registration

import (
	"crypto/x509"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
)

func publicJWKS(t *testing.T, pairs ...keystest.Pair) *JWKS {
	t.Helper()
	set := &JWKS{}
	for _, pair := range pairs {
		set.Keys = append(set.Keys, members(t, pair.Cert.PublicKey, pair.Cert))
	}
	return set
}

func privateJWK(t *testing.T, pair keystest.Pair) map[string]any {
	t.Helper()
	return members(t, pair.Key, pair.Cert)
}

func members(t *testing.T, key any, certificate *x509.Certificate) map[string]any {
	t.Helper()
	text, err := jose.JSONWebKey{Key: key, Certificates: []*x509.Certificate{certificate}}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
