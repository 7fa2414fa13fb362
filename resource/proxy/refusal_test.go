package proxy_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/proxy"
)

// TestForbiddenPathSpellings tries to reach /accounts/secret, which acme's token
// may not, through the routes it may use (requirement J15).
func TestForbiddenPathSpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	malformed := []string{
		"/accounts/./secret", "/accounts/x/../secret", "/accounts//secret", "//accounts/secret", "/accounts/secret/.", "/accounts/secret/..",
		"/accounts/%73ecret", "/accounts/%53ecret", "/accounts/secre%74", "/%61ccounts/secret", "/accounts%2Fsecret", "/accounts%2fsecret",
		"/accounts/%2e/secret", "/accounts/x/%2e%2e/secret", "/accounts/x/.%2E/secret", "/accounts/x%2f..%2fsecret",
		`/accounts\secret`, "/accounts%5Csecret", "/accounts%5csecret", "/accounts/secret;", "/accounts/secret;a=b", "/accounts;a/secret", "/accounts/secret%3B",
		"/accounts/secret%00", "/accounts/secret%0a", "/accounts/secret%0d%0aX:1", "/accounts/secret%7f", "/accounts/secret%C2%80",
		"/accounts/%2573ecret", "/accounts%252Fsecret", "/accounts/%252e%252e/secret", "/accounts/x%25u002f", "/accounts/secret%23", "/accounts/secret%3F",
		"/accounts/secret#", "/accounts/x?#/../secret", "/accounts/secre\xd1\x82", "/accounts/%c0%ae%c0%ae/secret", "/accounts/%ff",
		"accounts/secret", "http://localhost/accounts/secret", "https://evil.test/accounts/secret", "https://u@localhost/accounts/secret",
		"https:accounts/secret", "https://localhost", "*",
	}
	for _, target := range malformed {
		a := w.call(t, "GET", target)
		if a.StatusCode == 400 && a.Header.Get("X-Request-Id") == "" {
			// net/http refused it before any handler; the point is that it went nowhere.
			if w.hits.Load() != 0 || len(w.log.decisions(t)) != 0 {
				t.Errorf("%q went on", target)
			}
			continue
		}
		line := w.expectRefusal(t, a, 400, "request_malformed")
		if line["detail"] == nil || line["path"] == nil && target != "https://localhost" && !strings.HasPrefix(target, "https:a") {
			t.Errorf("%q: the log does not say what is wrong: %v", target, line)
		}
	}
	// The canonical spellings need the scope, whatever stands in front of the path.
	for _, target := range []string{"/accounts/secret", "/accounts/secret?", "/accounts/secret?a=b", "https://localhost/accounts/secret"} {
		w.expectRefusal(t, w.call(t, "GET", target), 403, "scope_insufficient")
	}
	for _, target := range []string{"/accounts/secret/", "/accounts/", "/", "/secret", "/Accounts/secret"} {
		w.expectRefusal(t, w.call(t, "GET", target), 404, "route_unknown")
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{"get", "Get", "post", "FOO", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PRI"} {
		a := w.call(t, method, "/accounts")
		w.expectRefusal(t, a, 405, "method_not_allowed")
		if got := a.Header.Get("Allow"); got != "GET, HEAD, POST" {
			t.Errorf("%s: Allow = %q", method, got)
		}
		if a.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: a 405 asks for a token", method)
		}
	}
	// HEAD is not implied by GET, and the most specific template wins whole.
	w.expectRefusal(t, w.call(t, "HEAD", "/accounts/1"), 405, "method_not_allowed")
	// CONNECT in both forms, and the asterisk form, which net/http answers itself.
	w.expectRefusal(t, w.call(t, "CONNECT", "localhost:443"), 400, "request_malformed")
	w.expectRefusal(t, w.call(t, "CONNECT", "/accounts"), 400, "request_malformed")
	if a := w.call(t, "OPTIONS", "*"); a.StatusCode != 200 || w.hits.Load() != 0 || len(a.body) != 0 {
		t.Errorf("OPTIONS *: %d, %d hits", a.StatusCode, w.hits.Load())
	}
	// Without a token the answers are the same: nothing of it has been looked at.
	a := w.send(t, keystest.Pair{}, "DELETE /accounts HTTP/1.1\nHost: localhost\n\n")
	w.expectRefusal(t, a, 405, "method_not_allowed")
	a = w.send(t, keystest.Pair{}, "GET /nowhere HTTP/1.1\nHost: localhost\n\n")
	w.expectRefusal(t, a, 404, "route_unknown")
	a = w.call(t, "HEAD", "/accounts")
	if a.StatusCode != 200 || w.hits.Load() != 1 {
		t.Errorf("a listed HEAD got %d", a.StatusCode)
	}
}

// TestTokenRefusals: rows G01 to G15 as far as the proxy's answer goes; the
// verifier has its own tests.
func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired := w.token(t, func(c *accesstoken.Claims) {
		c.IssuedAt, c.Expiry, c.Scopes = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute), []string{"other"}
	})
	read := w.token(t, func(c *accesstoken.Claims) { c.Scopes = []string{"accounts:read"} })
	good := w.token(t)
	const bearer = "Authorization: Bearer "
	tests := []struct {
		name    string
		pair    keystest.Pair
		request string
		status  int
		reason  decision.Reason
	}{
		{"no token", w.acme, "GET /accounts", 401, decision.TokenMissing},
		{"other scheme", w.acme, "GET /accounts\nAuthorization: Basic YTpi", 401, decision.TokenMissing},
		{"two headers", w.acme, "GET /accounts\n" + bearer + good + "\n" + bearer + good, 400, decision.RequestMalformed},
		{"header and query", w.acme, "GET /accounts?access_token=x\n" + bearer + good, 400, decision.RequestMalformed},
		{"encoded query name", w.acme, "GET /accounts?%61ccess_token=x\n" + bearer + good, 400, decision.RequestMalformed},
		{"query only", w.acme, "GET /accounts?access_token=" + good, 400, decision.RequestMalformed},
		{"semicolon in the query", w.acme, "GET /accounts?a=1;access_token=x\n" + bearer + good, 400, decision.RequestMalformed},
		{"bad escape in the query", w.acme, "GET /accounts?a=%zz\n" + bearer + good, 400, decision.RequestMalformed},
		{"form body", w.acme, "POST /accounts\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 14\n\naccess_token=x", 401, decision.TokenMissing},
		{"cookie", w.acme, "GET /accounts\nCookie: access_token=" + good, 401, decision.TokenMissing},
		{"other header", w.acme, "GET /accounts\nX-Forwarded-Authorization: Bearer " + good, 401, decision.TokenMissing},
		{"not a token", w.acme, "GET /accounts\n" + bearer + "a b", 401, decision.TokenMalformed},
		{"stolen", w.mallory, "GET /accounts\n" + bearer + good, 401, decision.ThumbprintMismatch},
		{"no certificate", keystest.Pair{}, "GET /accounts\n" + bearer + good, 401, decision.CertificateMissing},
		{"expired on a forbidden route", w.acme, "GET /accounts/secret\n" + bearer + expired, 401, decision.TokenExpired},
		{"scope", w.acme, "POST /accounts\nContent-Length: 2\n" + bearer + read + "\n\nhi", 403, decision.ScopeInsufficient},
	}
	safe := regexp.MustCompile(`^Bearer realm="https://api\.test"(, error="[a-z_]+", error_description="[ !#-\[\]-~]+"(, scope="accounts:write")?)?$`)
	for _, tt := range tests {
		first, rest, _ := strings.Cut(tt.request, "\n")
		if rest != "" {
			rest += "\n"
		}
		if !strings.Contains(rest, "\n\n") {
			rest += "\n"
		}
		a := w.send(t, tt.pair, first+" HTTP/1.1\nHost: localhost\n"+rest)
		t.Run(tt.name, func(t *testing.T) {
			line := w.expectRefusal(t, a, tt.status, tt.reason)
			challenge := a.Header.Get("WWW-Authenticate")
			if !safe.MatchString(challenge) {
				t.Errorf("challenge %q", challenge)
			}
			if tt.reason == decision.TokenMissing && strings.Contains(challenge, "error=") {
				t.Errorf("no token was tried, yet the challenge is %q", challenge)
			}
			if strings.Contains(fmt.Sprint(a.Header, string(a.body), line), good) {
				t.Error("the token is disclosed")
			}
			if route := line["route"]; route != "/accounts" && route != "/accounts/secret" {
				t.Errorf("logged route %v", route)
			}
		})
	}
}

func TestBodyTooLargeIsRefusedBeforehand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) { c.MaxBodyBytes = 4 })
	const head = "POST /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n"
	line := w.expectRefusal(t, w.send(t, w.acme, head+"Content-Length: 5\n\n12345"), 413, "request_too_large")
	if line["detail"] != "the announced length is over the configured bound" {
		t.Errorf("refused too late: %v", line)
	}
	a := w.send(t, w.acme, head+"Content-Length: 4\n\n1234")
	if a.StatusCode != 200 || w.hits.Load() != 1 {
		t.Errorf("a body of the largest size got %d", a.StatusCode)
	}
}

// TestBrokenBodies: what the caller did is not blamed on the upstream.
func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) { c.MaxBodyBytes = 4 })
	const head = "POST /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\nTransfer-Encoding: chunked\n\n"
	w.expectRefusal(t, w.send(t, w.acme, head+"5\n12345\n0\n\n"), 413, "request_too_large")
	w.expectRefusal(t, w.send(t, w.acme, head+"zz\n12345\n0\n\n"), 400, "request_malformed")
	if a := w.send(t, w.acme, head+"4\n1234\n0\n\n"); a.StatusCode != 200 {
		t.Errorf("a chunked body of the largest size got %d", a.StatusCode)
	}
}

// TestAmbiguousFraming: net/http's answers; whatever arrives is one request.
func TestAmbiguousFraming(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const head = "POST /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n"
	for _, lines := range []string{
		"Content-Length: 3\nContent-Length: 4\n\nabc", "Content-Length: +3\n\nabc", "Content-Length: 3, 4\n\nabc",
		"Transfer-Encoding: chunked, identity\n\n0\n\n", "Transfer-Encoding: xchunked\n\n0\n\n", "Host: other\n\n", "Bad Header: x\n\n", "Client-Cert : x\n\n",
	} {
		a := w.send(t, w.acme, head+lines)
		if a.StatusCode != 400 && a.StatusCode != 501 || w.hits.Load() != 0 {
			t.Errorf("%q: %d, %d hits", lines, a.StatusCode, w.hits.Load())
		}
	}
	a := w.send(t, w.acme, head+"Content-Length: 100\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n")
	if a.StatusCode == 200 {
		raw, _ := w.received()
		if len(w.values("Content-Length")) != 0 || len(w.values("Transfer-Encoding")) != 1 || !strings.HasSuffix(raw, "\r\n\r\n2\r\nhi\r\n0\r\n\r\n") {
			t.Errorf("ambiguous request arrived: %q", raw)
		}
	}
	a = w.send(t, w.acme, "GET /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\nX-Note: one\n two\n\n")
	if a.StatusCode == 200 && len(w.values("X-Note")) != 1 {
		t.Errorf("a folded header arrived as %q", w.values("X-Note"))
	}
}
