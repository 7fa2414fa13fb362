package conformance

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestProtectedResourceMetadata follows the challenge to the metadata, and the
// metadata to the issuer, without a certificate.
func TestProtectedResourceMetadata(t *testing.T) {
	clause.Covers(t, "RFC9728-2", "RFC9728-3-1", "RFC9728-3-2", "RFC9728-5-1")
	d := harness.Shared(t)
	refused := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Proxy + "/accounts"})
	address := expectChallenge(t, refused)["resource_metadata"]
	if want := d.Audience + "/.well-known/oauth-protected-resource"; address != want {
		t.Fatalf("the challenge names %q, want %q", address, want)
	}
	resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: address})
	if resp.Status != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %s", resp)
	}
	var got map[string]any
	if err := json.Unmarshal(resp.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"resource": d.Audience, "authorization_servers": []any{d.Issuer}, "bearer_methods_supported": []any{"header"},
		"scopes_supported": []any{"accounts:read", "accounts:write"}, "tls_client_certificate_bound_access_tokens": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
