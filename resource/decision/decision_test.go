package decision_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/decision"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// logged writes d and reads the line back, without the time of logging.
func logged(t *testing.T, d *decision.Decision) map[string]any {
	t.Helper()
	var out bytes.Buffer
	d.Log(t.Context(), slog.New(slog.NewJSONHandler(&out, nil)))
	if bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Fatalf("not one line: %s", out.String())
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	return line
}

func TestLogOfARefusal(t *testing.T) {
	d := &decision.Decision{Time: start, RequestID: "id", Journey: decision.APIRequest}
	d.Evidence = decision.Evidence{
		RemoteAddr: "192.0.2.1:1", Method: "GET", Path: "/accounts", Route: "/accounts", TLSVersion: "TLS 1.3",
		TLSCurve: "X25519MLKEM768", TLSProtocol: "h2",
		Certificate:     decision.Certificate{Thumbprint: "x", Subject: "CN=a", Issuer: "CN=ca", Serial: "0f", NotAfter: start},
		ClaimedClientID: "acme", Issuer: "https://as.example", Audience: "https://api.example", TokenID: "one", KeyID: "k",
		ScopesNeeded: []string{"a", "b"}, Expected: "x", Seen: "y", Detail: "why", ClaimsUnverified: true,
	}
	d.Refuse(decision.ThumbprintMismatch, 401, start.Add(1500*time.Microsecond))
	want := map[string]any{
		"level": "WARN", "msg": "decision", "request_id": "id", "journey": "api_request", "outcome": "refuse",
		"reason": "thumbprint_mismatch", "status": 401.0, "elapsed_us": 1500.0, "claimed_client_id": "acme",
		"certificate": map[string]any{"x5t_s256": "x", "subject": "CN=a", "issuer": "CN=ca", "serial": "0f", "not_after": "2026-11-01T12:00:00Z"},
		"iss":         "https://as.example", "aud": "https://api.example", "jti": "one", "kid": "k", "claims_unverified": true,
		"scopes_needed": []any{"a", "b"}, "expected": "x", "seen": "y", "detail": "why",
		"method": "GET", "path": "/accounts", "route": "/accounts", "remote_addr": "192.0.2.1:1", "tls_version": "TLS 1.3",
		"tls_curve": "X25519MLKEM768", "tls_protocol": "h2",
	}
	if diff := cmp.Diff(want, logged(t, d)); diff != "" {
		t.Errorf("log line (-want +got):\n%s", diff)
	}
}

func TestLogOfAnAllow(t *testing.T) {
	d := &decision.Decision{Time: start, RequestID: "id", Journey: decision.TokenRequest}
	d.Evidence = decision.Evidence{ClientID: "acme-billing", Partner: "acme", AuthMethod: "tls_client_auth", TrustBundle: "partners@3", ScopesHeld: []string{"a"}, UpstreamStatus: 204}
	d.Refuse(decision.InternalError, 500, start) // a decision may be revised before it is logged
	d.Allow(200, start.Add(time.Millisecond))
	want := map[string]any{
		"level": "INFO", "msg": "decision", "request_id": "id", "journey": "token_request", "outcome": "allow", "status": 200.0, "elapsed_us": 1000.0,
		"client_id": "acme-billing", "partner": "acme", "auth_method": "tls_client_auth", "trust_bundle": "partners@3", "scopes_held": []any{"a"}, "upstream_status": 204.0,
	}
	if diff := cmp.Diff(want, logged(t, d)); diff != "" {
		t.Errorf("log line (-want +got):\n%s", diff)
	}
}

// TestLogBoundsText: what a stranger sends must neither fill the log nor forge a
// line in it.
func TestLogBoundsText(t *testing.T) {
	d := &decision.Decision{Time: start}
	d.Evidence.KeyID = strings.Repeat("k", 10_000)
	d.Evidence.Path = "/a\n{\"level\":\"INFO\",\"msg\":\"decision\"}"
	line := logged(t, d)
	if kid, _ := line["kid"].(string); len(kid) > 600 || !strings.HasSuffix(kid, "k…") {
		t.Errorf("kid of %d octets", len(kid))
	}
	if line["path"] != d.Evidence.Path || line["outcome"] != "refuse" {
		t.Errorf("line %v", line)
	}
}

func TestZeroDecisionRefuses(t *testing.T) {
	if line := logged(t, &decision.Decision{}); line["outcome"] != "refuse" || line["level"] != "WARN" {
		t.Errorf("line %v", line)
	}
}

func TestWriteRefusal(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("WWW-Authenticate", "Bearer")
	decision.WriteRefusal(w, decision.ThumbprintMismatch.AtResourceServer(), "id")
	const body = `{"error":"invalid_token","error_description":"the access token is bound to another client certificate than the one presented","reason":"thumbprint_mismatch","request_id":"id"}` + "\n"
	if w.Code != 401 || w.Body.String() != body {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache",
		"X-Content-Type-Options": "nosniff", "X-Request-Id": "id", "WWW-Authenticate": "Bearer",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNewRequestID(t *testing.T) {
	seen := map[string]bool{}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	blocks := map[string]bool{} // the first 48 bits: one time a block
	for i := range 1000 {
		id := decision.NewRequestID(now.Add(time.Duration(i) * time.Second))
		blocks[id[:12]] = true
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	if len(blocks) < 2 {
		t.Errorf("ids of a quarter of an hour all begin alike: %v", blocks)
	}
}
