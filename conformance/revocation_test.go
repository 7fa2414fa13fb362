package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// patience is how long a test waits for a revocation to arrive. It arrives within
// a second; nothing is asserted about that here, because CI may be slow.
const patience = 30 * time.Second

// caller holds one connection to the proxy open through everything.
type caller struct {
	d      *harness.Dev
	pair   keystest.Pair
	client *http.Client
	token  string
}

func newCaller(t *testing.T, d *harness.Dev, id string) *caller {
	t.Helper()
	pair := d.Pair(t, id)
	c := &caller{d: d, pair: pair, client: d.HTTPClient(t, &pair, nil)}
	c.token = d.Token(t, &pair, harness.TokenForm(id)).AccessToken
	return c
}

func (c *caller) call(t *testing.T) *harness.Response {
	t.Helper()
	request := c.d.APIRequest(&c.pair, c.token)
	request.Client = c.client
	return c.d.Send(t, request)
}

// begins waits out that a proxy which has just started has not heard from the issuer
// yet, and returns the first answer that is not 503 revocations_stale.
func (c *caller) begins(t *testing.T) *harness.Response {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		response := c.call(t)
		if response.Status != http.StatusServiceUnavailable || response.Refusal(t).Reason != "revocations_stale" {
			return response
		}
		select {
		case <-deadline:
			return response
		case <-tick.C:
		}
	}
}

// ends waits until the proxy refuses the caller, and returns why.
func (c *caller) ends(t *testing.T) string {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if response := c.call(t); response.Status != http.StatusOK {
			if response.Status != http.StatusUnauthorized {
				t.Errorf("status %d", response.Status)
			}
			return response.Refusal(t).Reason
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("still served")
		}
	}
}

// asAdmin runs an admin command against the dev.
func asAdmin(t *testing.T, d *harness.Dev, args ...string) harness.Result {
	t.Helper()
	return harness.Run(t, append(args, "--server", d.Admin, "--ca", d.Path(d.CA),
		"--cert", d.Path(d.AdminClient.Cert), "--key", d.Path(d.AdminClient.Key), "--client-id", d.AdminClient.ClientID)...)
}

func mustAdmin(t *testing.T, d *harness.Dev, args ...string) string {
	t.Helper()
	result := asAdmin(t, d, args...)
	if result.Code != 0 {
		t.Fatalf("certbound %s: exit code %d\n%s%s", strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout
}

// form posts a form to an endpoint with a client's certificate.
func form(t *testing.T, d *harness.Dev, endpoint string, pair *keystest.Pair, members url.Values) *harness.Response {
	t.Helper()
	request := d.TokenRequest(pair, members.Encode())
	request.URL = endpoint
	return d.Send(t, request)
}

// introspected asks as the API's own resource server.
func introspected(t *testing.T, d *harness.Dev, token string) map[string]any {
	t.Helper()
	pair := d.Pair(t, d.RSClient.ClientID)
	response := form(t, d, d.Introspection, &pair, url.Values{"client_id": {d.RSClient.ClientID}, "token": {token}})
	var answer map[string]any
	if err := json.Unmarshal(response.Body, &answer); err != nil || response.Status != http.StatusOK {
		t.Fatalf("introspection: %s", response)
	}
	return answer
}

// TestRevokedTokenIsRefusedOnTheOpenConnection: RFC 7009, by whom and by whom not.
func TestRevokedTokenIsRefusedOnTheOpenConnection(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7009-2-1-a", "RFC7009-2-1-b", "RFC7009-2-2-a", "RFC7662-2-1-a", "RFC7662-2-2-a", "RFC7662-2-2-b", "RFC8705-3-2-a", "RFC7009-3", "RFC7662-4-a")
	d := harness.Start(t)
	c := newCaller(t, d, "acme-billing")
	other := d.Pair(t, "mallory-app")
	if active := introspected(t, d, c.token); active["active"] != true || active["client_id"] != "acme-billing" || describe(active["cnf"]) != describe(map[string]any{"x5t#S256": thumbprintOf(c.pair)}) {
		t.Errorf("introspection %v", active)
	}
	for name, pair := range map[string]*keystest.Pair{"no certificate": nil, "another client's certificate": &other} {
		if response := form(t, d, d.Revocation, pair, url.Values{"client_id": {"acme-billing"}, "token": {c.token}}); response.Status != http.StatusUnauthorized {
			t.Errorf("%s revokes: %s", name, response)
		}
	}
	if response := form(t, d, d.Introspection, nil, url.Values{"client_id": {d.RSClient.ClientID}, "token": {c.token}}); response.Status != http.StatusUnauthorized {
		t.Errorf("introspection without a certificate: %s", response)
	}
	if response := form(t, d, d.Introspection, &other, url.Values{"client_id": {"mallory-app"}, "token": {c.token}}); strings.TrimSpace(string(response.Body)) != `{"active":false}` {
		t.Errorf("introspection by another client: %s", response)
	}
	if response := form(t, d, d.Revocation, &other, url.Values{"client_id": {"mallory-app"}, "token": {c.token}}); response.Status != http.StatusBadRequest || response.Refusal(t).Reason != "token_of_another_client" {
		t.Errorf("another client revokes: %s", response)
	}
	if response := c.call(t); response.Status != http.StatusOK {
		t.Fatalf("refused before it was revoked: %s", response)
	}
	if response := form(t, d, d.Revocation, &c.pair, url.Values{"client_id": {"acme-billing"}, "token": {c.token}}); response.Status != http.StatusOK || len(response.Body) != 0 {
		t.Fatalf("revocation: %s", response)
	}
	if answer := introspected(t, d, c.token); len(answer) != 1 || answer["active"] != false {
		t.Errorf("introspection after the revocation: %v", answer)
	}
	if reason := c.ends(t); reason != "token_revoked" {
		t.Errorf("reason %s", reason)
	}
	// The client itself goes on with another token.
	c.token = d.Token(t, &c.pair, harness.TokenForm("acme-billing")).AccessToken
	if response := c.call(t); response.Status != http.StatusOK {
		t.Errorf("a new token: %s", response)
	}
}

func TestDisabledClientIsRefusedOnTheOpenConnection(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-6", "RFC7009-3")
	d := harness.Start(t)
	c, bystander := newCaller(t, d, "acme-billing"), newCaller(t, d, "globex-app")
	mustAdmin(t, d, "client", "disable", "acme-billing", "--reason", "test")
	if reason := c.ends(t); reason != "client_disabled" {
		t.Errorf("reason %s", reason)
	}
	refused := d.PostToken(t, &c.pair, harness.TokenForm("acme-billing"))
	if refused.Status != http.StatusUnauthorized {
		t.Errorf("a token for a disabled client: %s", refused)
	}
	// The operator finds out why, the caller does not.
	if told := mustAdmin(t, d, "explain", "request", refused.Refusal(t).RequestID); !strings.Contains(told, "client_disabled") || !strings.Contains(told, "to check") {
		t.Errorf("explain:\n%s", told)
	}
	if response := bystander.call(t); response.Status != http.StatusOK {
		t.Errorf("another client is refused too: %s", response)
	}
	mustAdmin(t, d, "client", "enable", "acme-billing")
	if response := c.call(t); response.Status != http.StatusUnauthorized {
		t.Errorf("enabling revived an old token: %s", response)
	}
	c.token = d.Token(t, &c.pair, harness.TokenForm("acme-billing")).AccessToken
	if response := c.call(t); response.Status != http.StatusOK {
		t.Errorf("a new token of the enabled client: %s", response)
	}
}

// TestRevokedCertificateStaysRevoked: on the open connection, at the token
// endpoint, and after a crash.
func TestRevokedCertificateStaysRevoked(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-1", "CERTBOUND-8")
	dir := t.TempDir()
	d := harness.StartIn(t, dir)
	c := newCaller(t, d, "acme-billing")
	mustAdmin(t, d, "cert", "revoke", thumbprintOf(c.pair), "--reason", "test")
	if reason := c.ends(t); reason != "certificate_revoked" {
		t.Errorf("reason %s", reason)
	}
	if response := d.PostToken(t, &c.pair, harness.TokenForm("acme-billing")); response.Status != http.StatusUnauthorized {
		t.Errorf("a token with a revoked certificate: %s", response)
	}
	if err := d.Kill(); err != nil { // acknowledged is durable
		t.Fatal(err)
	}
	d = harness.StartIn(t, dir)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	if response := d.PostToken(t, &c.pair, harness.TokenForm("acme-billing")); response.Status != http.StatusUnauthorized {
		t.Errorf("after a crash: %s", response)
	}
	events := mustAdmin(t, d, "audit", "export", "--kind", "certificate.revoked")
	if !strings.Contains(events, thumbprintOf(c.pair)) || !strings.Contains(events, `"actor":"admin"`) {
		t.Errorf("audit events:\n%s", events)
	}
	// A checkpoint kept from here on shows what is cut later.
	config := auditConfig(t, dir)
	checkpoint := harness.Run(t, "audit", "checkpoint", "--config", config)
	file := filepath.Join(t.TempDir(), "checkpoint")
	if err := os.WriteFile(file, []byte(checkpoint.Stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if result := harness.Run(t, "audit", "verify", "--config", config, "--checkpoint", file); result.Code != 0 || !strings.Contains(result.Stdout, "complete up to the checkpoint") {
		t.Errorf("audit verify: exit code %d\n%s%s", result.Code, result.Stdout, result.Stderr)
	}
}

// TestAdminNeedsTokenAndCertificate: neither alone lets anybody in.
func TestAdminNeedsTokenAndCertificate(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	administrator, mallory := d.Pair(t, d.AdminClient.ClientID), d.Pair(t, "mallory-app")
	token := d.Token(t, &administrator, harness.TokenForm("admin", "scope", "admin:read", "resource", d.Issuer+"/admin")).AccessToken
	own := d.Token(t, &mallory, harness.TokenForm("mallory-app")).AccessToken
	for _, c := range []struct {
		name, token string
		pair        *keystest.Pair
		status      int
	}{
		{"both", token, &administrator, http.StatusOK},
		{"a stolen token", token, &mallory, http.StatusUnauthorized},
		{"the token alone", token, nil, http.StatusUnauthorized},
		{"the certificate alone", "", &administrator, http.StatusUnauthorized},
		{"another API's token", own, &mallory, http.StatusUnauthorized},
	} {
		request := d.APIRequest(c.pair, c.token)
		request.URL = d.Admin + "/admin/v1/clients"
		if c.token == "" {
			delete(request.Header, "Authorization")
		}
		if response := d.Send(t, request); response.Status != c.status {
			t.Errorf("%s: %s", c.name, response)
		}
	}
}
