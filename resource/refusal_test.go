package resource_test

import (
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

func TestRefusalWrite(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		refusal   resource.Refusal
		reason    decision.Reason
		status    int
		challenge string
		retry     string
	}{
		{resource.Refusal{Realm: "api"}, decision.TokenMissing, 401, `Bearer realm="api"`, ""},
		{resource.Refusal{Realm: "api", ScopesNeeded: []string{"a"}}, decision.TokenMissing, 401, `Bearer realm="api"`, ""},
		{resource.Refusal{Realm: "api"}, decision.TokenExpired, 401, `Bearer realm="api", error="invalid_token", error_description="the access token has expired; ask for a new one"`, ""},
		{resource.Refusal{Realm: "api", ScopesNeeded: []string{"a", "b"}}, decision.ScopeInsufficient, 403, `Bearer realm="api", error="insufficient_scope", error_description="the access token lacks a scope this route needs", scope="a b"`, ""},
		{resource.Refusal{Realm: `a"b\c`, ScopesNeeded: []string{"x\"y\r\nz\x7fé"}}, decision.ScopeInsufficient, 403, `Bearer realm="a\"b\\c", error="insufficient_scope", error_description="the access token lacks a scope this route needs", scope="x\"y??z???"`, ""},
		{resource.Refusal{Realm: "api"}, decision.RequestMalformed, 400, `Bearer realm="api", error="invalid_request", error_description="the request is ambiguous or malformed: send one canonical path and exactly one Authorization header"`, ""},
		{resource.Refusal{Realm: "api", RetryAfter: 4100 * time.Millisecond}, decision.IssuerKeysUnavailable, 503, "", "5"},
		{resource.Refusal{Realm: "api"}, decision.RouteUnknown, 404, "", ""},
		{resource.Refusal{Realm: "api"}, decision.UpstreamUnreachable, 502, "", ""},
		{resource.Refusal{Realm: "api"}, "made_up", 500, "", ""},
	} {
		t.Run(string(tt.reason), func(t *testing.T) {
			tt.refusal.Decision = decision.Decision{Reason: tt.reason, RequestID: id}
			w := httptest.NewRecorder()
			tt.refusal.Write(w)
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("got %d, challenge %s, retry %q", w.Code, w.Header().Get("WWW-Authenticate"), w.Header().Get("Retry-After"))
			}
			if w.Header().Get("X-Request-Id") != id || !strings.Contains(w.Body.String(), `"request_id":"`+id+`"`) {
				t.Errorf("no request id: %v %s", w.Header(), w.Body)
			}
		})
	}
}

// challengePattern is what RFC 6750 §3 allows, with each attribute once.
var challengePattern = regexp.MustCompile(`^Bearer realm="[\x20-\x21\x23-\x5B\x5D-\x7E]*"(, error="[\x20-\x21\x23-\x5B\x5D-\x7E]+", error_description="[\x20-\x21\x23-\x5B\x5D-\x7E]+"(, scope="[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*")?)?$`)

// TestRefusalDisclosesNoToken looks for the token in all that is said about it
// (RFC 6750 §5.2), and holds each challenge to its grammar.
func TestRefusalDisclosesNoToken(t *testing.T) {
	b := newBench(t)
	good := b.token(b.acme)
	for name, token := range map[string]string{
		"stolen": good, "broken": good[:len(good)-4] + "AAAA", "malformed": good + "!", "with a part too many": good + ".x",
		"expired": b.sign(b.header().text(), b.claims(b.acme).with("exp", 1).text()),
	} {
		pair := &b.acme
		if name == "stolen" {
			pair = &b.mallory
		}
		_, err := b.verifier.VerifyRequest(request(token, pair), "accounts:read")
		var refusal *resource.Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("%s: %v", name, err)
		}
		w := httptest.NewRecorder()
		refusal.Write(w)
		if c := w.Header().Get("WWW-Authenticate"); !challengePattern.MatchString(c) {
			t.Errorf("%s: challenge %s", name, c)
		}
		var log strings.Builder
		refusal.Decision.Log(t.Context(), jsonLogger(&log))
		signature := token[strings.LastIndex(token, ".")+1:]
		for where, text := range map[string]string{"body": w.Body.String(), "error": err.Error(), "log": log.String(), "challenge": w.Header().Get("WWW-Authenticate")} {
			if strings.Contains(text, token) || len(signature) > 8 && strings.Contains(text, signature) {
				t.Errorf("%s: the %s holds the token: %s", name, where, text)
			}
		}
	}
}
