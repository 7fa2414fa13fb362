package conformance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// scopeToken is RFC 6749 §3.3.
var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`)

const metadataPath = "/.well-known/oauth-authorization-server"

// metadata fetches the document as a client without a certificate.
func metadata(t *testing.T, d *harness.Dev) map[string]any {
	t.Helper()
	return getJSON(t, d, d.Issuer+metadataPath)
}

func getJSON(t *testing.T, d *harness.Dev, address string) map[string]any {
	t.Helper()
	resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: address})
	if resp.Status != http.StatusOK {
		t.Fatalf("GET %s: %s", address, resp)
	}
	var document map[string]any
	if err := json.Unmarshal(resp.Body, &document); err != nil {
		t.Fatalf("GET %s: %v", address, err)
	}
	return document
}

func TestMetadata(t *testing.T) {
	clause.Covers(t, "RFC8414-2-a", "RFC8414-2-b", "RFC8414-2-c", "RFC8414-3", "RFC8705-3-3", "RFC8705-5-a", "RFC6749-3-2-f", "RFC9700-2-4", "RFC8414-2-d", "RFC8414-2-e", "RFC8414-2-f", "RFC8414-2-g", "RFC9700-2-6-a", "RFC9700-2-1-1")
	d := harness.Shared(t)
	document := metadata(t, d)
	issuer, err := url.Parse(d.Issuer)
	if err != nil || issuer.Scheme != "https" || issuer.RawQuery != "" || issuer.Fragment != "" || strings.ContainsAny(d.Issuer, "?#") {
		t.Errorf("issuer %q, %v", d.Issuer, err)
	}
	for name, want := range map[string]any{
		"issuer": d.Issuer, "token_endpoint": d.TokenEndpoint, "jwks_uri": d.JWKSURI,
		"tls_client_certificate_bound_access_tokens": true,
	} {
		if document[name] != want {
			t.Errorf("%s is %v, want %v", name, document[name], want)
		}
	}
	if grants, _ := document["grant_types_supported"].([]any); len(grants) != 1 || grants[0] != "client_credentials" {
		t.Errorf("grant_types_supported: %v", document["grant_types_supported"])
	}
	if types, ok := document["response_types_supported"].([]any); !ok || len(types) != 0 {
		t.Errorf("response_types_supported: %v, want []", document["response_types_supported"])
	}
	if _, there := document["authorization_endpoint"]; there {
		t.Error("there is an authorization_endpoint")
	}
	for name, value := range document {
		address, _ := value.(string)
		if strings.HasSuffix(name, "_endpoint") && (!strings.HasPrefix(address, "https://") || strings.Contains(address, "#")) {
			t.Errorf("%s is %q", name, address)
		}
	}
	for _, endpoint := range []string{"token", "introspection", "revocation"} {
		methods, _ := document[endpoint+"_endpoint_auth_methods_supported"].([]any)
		if len(methods) != 2 || slices.Contains(methods, any("none")) {
			t.Errorf("methods of the %s endpoint: %v", endpoint, methods)
		}
		if algs, _ := document[endpoint+"_endpoint_auth_signing_alg_values_supported"].([]any); slices.Contains(algs, any("none")) {
			t.Errorf("signing algorithms of the %s endpoint: %v", endpoint, algs)
		}
	}
	scopes, _ := document["scopes_supported"].([]any) // may be absent
	for _, scope := range scopes {
		if text, _ := scope.(string); !scopeToken.MatchString(text) {
			t.Errorf("scopes_supported has %v", scope)
		}
	}
	aliases, _ := document["mtls_endpoint_aliases"].(map[string]any)
	if len(aliases) == 0 {
		t.Error("there are no mtls_endpoint_aliases")
	}
	for name, value := range aliases {
		if document[name] == nil || !strings.HasSuffix(name, "_endpoint") {
			t.Errorf("alias %s (%v) has no endpoint of that name", name, value)
		}
	}
}

func TestMetadataIsObtainedByGET(t *testing.T) {
	clause.Covers(t, "RFC8414-3-1", "RFC8414-3-2", "RFC9110-15-5-6")
	d := harness.Shared(t)
	for _, address := range []string{d.Issuer + metadataPath, d.JWKSURI} {
		resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: address})
		if media := resp.Header.Get("Content-Type"); media != "application/json" && (media != "application/jwk-set+json" || address != d.JWKSURI) {
			t.Errorf("Content-Type %q", media)
		}
		if !strings.Contains(resp.Header.Get("Cache-Control"), "max-age=") {
			t.Errorf("Cache-Control %q", resp.Header.Get("Cache-Control"))
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, "get"} {
			refused := d.Send(t, harness.Request{Method: method, URL: address})
			expectRefusal(t, d, refused, refusal{http.StatusMethodNotAllowed, "invalid_request", "method_not_allowed", ""})
			if allow := refused.Header.Get("Allow"); !strings.Contains(allow, "GET") {
				t.Errorf("%s %s: Allow %q", method, address, allow)
			}
		}
	}
}

// TestIssuerDoesNotFollowTheCaller sends other hosts' names: the document is the
// same.
func TestIssuerDoesNotFollowTheCaller(t *testing.T) {
	clause.Covers(t, "RFC8414-3-3")
	d := harness.Shared(t)
	want := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Issuer + metadataPath})
	for name, value := range map[string]string{
		"X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test", "X-Forwarded-Proto": "http", "X-Original-Url": "/evil",
	} {
		resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Issuer + metadataPath, Header: http.Header{name: {value}}})
		if string(resp.Body) != string(want.Body) {
			t.Errorf("%s changes the document: %s", name, resp)
		}
	}
	// The same listener under its other name.
	other := strings.Replace(d.Issuer, "localhost", "127.0.0.1", 1) + metadataPath
	if resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: other}); string(resp.Body) != string(want.Body) {
		t.Errorf("the Host changes the document: %s", resp)
	}
}

var kidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func TestJWKSHasPublicKeysOnly(t *testing.T) {
	clause.Covers(t, "RFC7517-9-2", "RFC7517-4-5", "RFC7638-3", "RFC8725-3-5", "RFC8414-2-g")
	d := harness.Shared(t)
	keys, _ := getJSON(t, d, d.JWKSURI)["keys"].([]any)
	if len(keys) == 0 {
		t.Fatal("no keys")
	}
	var kids []string
	for _, k := range keys {
		key := k.(map[string]any)
		for member := range key {
			if !slices.Contains([]string{"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}, member) {
				t.Errorf("a key has the member %s", member)
			}
		}
		kid, _ := key["kid"].(string)
		if key["use"] != "sig" || !kidForm.MatchString(kid) || slices.Contains(kids, kid) {
			t.Errorf("key %v", key)
		}
		kids = append(kids, kid)
	}
	if !strings.HasPrefix(d.JWKSURI, "https://") {
		t.Errorf("jwks_uri is %s", d.JWKSURI)
	}
	if !slices.Contains(kids, forge.KeyID(d.SigningKey)) {
		t.Errorf("no key has the RFC 7638 thumbprint of the signing key: %v", kids)
	}
	// Nor is the private part anywhere else to be seen.
	private, err := d.SigningKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secret := base64.RawURLEncoding.EncodeToString(private)
	if strings.Contains(d.Stderr.String(), secret) || strings.Contains(d.Stdout.String(), secret) {
		t.Error("the private key is in the log")
	}
}
