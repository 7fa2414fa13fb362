package resource_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

func jsonLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

// lockedBuffer collects log lines of many goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// lines returns what was logged as parsed lines and empties the buffer.
func (b *lockedBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []map[string]any
	for line := range strings.Lines(b.text.String()) {
		var parsed map[string]any
		if err := json.Unmarshal([]byte(line), &parsed); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, parsed)
	}
	b.text.Reset()
	return lines
}

// api is a real TLS server that asks for a certificate and protects one handler.
type api struct {
	*bench
	server *httptest.Server
	hits   atomic.Int64
	log    lockedBuffer
}

func newAPI(t testing.TB, scopes ...string) *api {
	t.Helper()
	a := &api{}
	a.bench = newBench(t, func(c *resource.Config) { c.Logger = jsonLogger(&a.log) })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.hits.Add(1)
		token, ok := resource.FromContext(r.Context())
		if !ok {
			t.Error("the handler runs without a token")
			return
		}
		_, _ = io.WriteString(w, token.ClientID+" of "+token.Partner)
	})
	a.server = httptest.NewUnstartedServer(a.verifier.Require(scopes...)(handler))
	a.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true, MinVersion: tls.VersionTLS13}
	a.server.EnableHTTP2 = true
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	return a
}

// client returns an HTTP client of one kept connection with pair's certificate.
func (a *api) client(t testing.TB, pair *keystest.Pair, http2 bool) *http.Client {
	t.Helper()
	config := a.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	if pair != nil {
		config.Certificates = []tls.Certificate{pair.TLS()}
	}
	transport := &http.Transport{TLSClientConfig: config, MaxConnsPerHost: 1, ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get calls the API and returns status, reason ("" when allowed) and headers.
func (a *api) get(t testing.TB, client *http.Client, token string) (int, decision.Reason, http.Header) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, a.server.URL+"/accounts?page=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return 0, "", nil
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, "", resp.Header
	}
	var refusal decision.Body
	if err := json.Unmarshal(body, &refusal); err != nil {
		t.Errorf("not the common body: %s", body)
	}
	if refusal.RequestID == "" || refusal.RequestID != resp.Header.Get("X-Request-Id") {
		t.Errorf("request id %q in the body, %q in the header", refusal.RequestID, resp.Header.Get("X-Request-Id"))
	}
	return resp.StatusCode, refusal.Reason, resp.Header
}

// TestMiddleware runs the story over real TLS: each outcome has its status,
// reason and exactly one log line with the same request id.
func TestMiddleware(t *testing.T) {
	a := newAPI(t, "accounts:read")
	wrongScope := a.sign(a.header().text(), a.claims(a.acme).with("scope", "accounts:write").text())
	for _, tt := range []struct {
		name      string
		pair      *keystest.Pair
		token     string
		status    int
		reason    decision.Reason
		challenge string // how it begins
	}{
		{"the owner", &a.acme, a.token(a.acme), 200, "", ""},
		{"a thief of the same CA", &a.mallory, a.token(a.acme), 401, decision.ThumbprintMismatch, `Bearer realm="https://api.example", error="invalid_token", `},
		{"no certificate", nil, a.token(a.acme), 401, decision.CertificateMissing, `Bearer realm="https://api.example", error="invalid_token", `},
		{"no token", &a.acme, "", 401, decision.TokenMissing, `Bearer realm="https://api.example"`},
		{"wrong scope", &a.acme, wrongScope, 403, decision.ScopeInsufficient, `Bearer realm="https://api.example", error="insufficient_scope", `},
		{"not a token", &a.acme, "opaque", 401, decision.TokenMalformed, `Bearer realm="https://api.example", error="invalid_token", `},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/http2=%v", tt.name, http2), func(t *testing.T) {
				before := a.hits.Load()
				status, reason, header := a.get(t, a.client(t, tt.pair, http2), tt.token)
				if status != tt.status || reason != tt.reason {
					t.Errorf("got %d %q, want %d %q", status, reason, tt.status, tt.reason)
				}
				if challenge := header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, tt.challenge) || (challenge == "") != (tt.challenge == "") {
					t.Errorf("challenge %s", challenge)
				}
				if hits := a.hits.Load() - before; (hits == 1) != (tt.status == 200) {
					t.Errorf("the handler ran %d times", hits)
				}
				lines := a.log.lines(t)
				if len(lines) != 1 {
					t.Fatalf("%d log lines: %v", len(lines), lines)
				}
				line := lines[0]
				logged, _ := line["reason"].(string)
				if line["msg"] != "decision" || decision.Reason(logged) != tt.reason || line["request_id"] != header.Get("X-Request-Id") || line["path"] != "/accounts" {
					t.Errorf("log line %v", line)
				}
			})
		}
	}
}

// TestMiddlewareTwoTokensOnOneConnection: the binding is a matter of the request,
// not of the connection.
func TestMiddlewareTwoTokensOnOneConnection(t *testing.T) {
	a := newAPI(t)
	own, foreign := a.token(a.acme), a.token(a.mallory)
	for _, http2 := range []bool{false, true} {
		client := a.client(t, &a.acme, http2)
		for range 20 {
			if status, reason, _ := a.get(t, client, own); status != 200 {
				t.Fatalf("own token: %d %q", status, reason)
			}
			if status, reason, _ := a.get(t, client, foreign); status != 401 || reason != decision.ThumbprintMismatch {
				t.Fatalf("foreign token: %d %q", status, reason)
			}
		}
	}
}

// TestMiddlewareParallel mixes owners, thieves and strangers.
func TestMiddlewareParallel(t *testing.T) {
	a := newAPI(t, "accounts:read")
	pairs := []*keystest.Pair{&a.acme, &a.mallory, nil}
	var clients []*http.Client
	for _, pair := range pairs {
		clients = append(clients, a.client(t, pair, false), a.client(t, pair, true))
	}
	tokens := []string{a.token(a.acme), a.token(a.mallory)}
	var wg sync.WaitGroup
	for n := range 400 {
		wg.Go(func() {
			client, token := n%len(clients), n/len(clients)%len(tokens)
			want, status := decision.Reason(""), 200
			switch holder := client / 2; {
			case pairs[holder] == nil:
				want, status = decision.CertificateMissing, 401
			case holder != token:
				want, status = decision.ThumbprintMismatch, 401
			}
			gotStatus, got, _ := a.get(t, clients[client], tokens[token])
			if got != want || gotStatus != status {
				t.Errorf("client %d with token %d: %d %q, want %d %q", client, token, gotStatus, got, status, want)
			}
		})
	}
	wg.Wait()
	if lines := a.log.lines(t); len(lines) != 400 {
		t.Errorf("%d log lines for 400 requests", len(lines))
	}
}

func TestMiddlewareWithoutScopes(t *testing.T) {
	b := newBench(t)
	handler := b.verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, ok := resource.FromContext(r.Context()); !ok || !token.Decision.Allowed {
			t.Error("no token")
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request(b.token(b.acme), &b.acme))
	if w.Code != http.StatusTeapot || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	if _, ok := resource.FromContext(t.Context()); ok {
		t.Error("a token out of nowhere")
	}
}
