package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/proxy"
)

// echo is an API that speaks WebSocket: it says who called, then repeats.
func echo(rw http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(rw, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	ctx := context.Background()
	if conn.Write(ctx, websocket.MessageText, []byte(r.Header.Get("X-Certbound-Client")+r.Header.Get("Authorization"))) != nil {
		return
	}
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, data) != nil {
			return
		}
	}
}

// webSockets lets every route of the world open one.
func webSockets(_ *world, c *proxy.Config, _ *httptest.Server) {
	for i := range c.Routes {
		c.Routes[i].WebSocket = c.Routes[i].Methods[0] == "GET"
	}
}

// dial opens a WebSocket and reads the greeting.
func (w *world) dial(t *testing.T, pair keystest.Pair) (*websocket.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: w.tlsConfig(pair)}}
	conn, res, err := websocket.Dial(ctx, w.server.URL+"/accounts", &websocket.DialOptions{ //nolint:bodyclose // the library's to close
		HTTPClient: client, HTTPHeader: http.Header{"Authorization": {"Bearer " + w.token(t)}},
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	if res.Header.Get("X-Request-Id") == "" {
		t.Error("the handshake's answer has no request id")
	}
	if _, greeting, err := conn.Read(ctx); err != nil || string(greeting) != "acme-billing" {
		t.Fatalf("greeted as %q, %v", greeting, err)
	}
	return conn, nil
}

func exchangeMessage(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, conn.Write(ctx, websocket.MessageText, []byte(text)))
	if _, got, err := conn.Read(ctx); err != nil || string(got) != text {
		t.Fatalf("echo %.20q, %v", got, err)
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	w := handled(t, echo, webSockets)
	conn, err := w.dial(t, w.acme)
	must(t, err)
	conn.SetReadLimit(1 << 20)
	exchangeMessage(t, conn, "hello")
	exchangeMessage(t, conn, strings.Repeat("x", 300<<10))
	if line := w.log.one(t); line["outcome"] != "allow" || line["status"] != 101.0 {
		t.Errorf("logged %v", line)
	}
	must(t, conn.Close(websocket.StatusNormalClosure, ""))
}

// TestWebSocketIsAuthenticated: the handshake is a request like any other.
func TestWebSocketIsAuthenticated(t *testing.T) {
	t.Parallel()
	w := handled(t, echo, webSockets)
	for name, pair := range map[string]keystest.Pair{"another certificate": w.mallory, "no certificate": {}} {
		if conn, err := w.dial(t, pair); err == nil {
			_ = conn.CloseNow()
			t.Errorf("%s: opened", name)
		}
		if line := w.log.one(t); line["outcome"] != "refuse" {
			t.Errorf("%s: logged %v", name, line)
		}
	}
}

// TestWebSocketEnds: what let the tunnel open must stay true while it is.
func TestWebSocketEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		happen func(*world)
		reason string
	}{
		"revoked":             {func(w *world) { w.revoke(decision.TokenRevoked) }, "token_revoked"},
		"certificate revoked": {func(w *world) { w.revoke(decision.CertificateRevoked) }, "certificate_revoked"},
		"feed stale":          {func(w *world) { w.revoke(decision.RevocationsStale) }, "revocations_stale"},
		"token expired":       {func(w *world) { w.skew.Store(int64(10 * time.Minute)) }, "token_expired"},
		"certificate expired": {func(w *world) { w.skew.Store(int64(20 * 365 * 24 * time.Hour)) }, "certificate_expired"},
		"server stops":        {func(w *world) { w.drain() }, "draining"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := handled(t, echo, webSockets)
			conn, err := w.dial(t, w.acme)
			must(t, err)
			exchangeMessage(t, conn, "hello")
			tt.happen(w)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
				t.Fatalf("the tunnel goes on: %v", err)
			}
			if line := w.log.waitFor(t, "stream_ended"); line["reason"] != tt.reason || line["client_id"] != "acme-billing" || line["request_id"] == nil {
				t.Errorf("logged %v", line)
			}
		})
	}
}

// TestWebSocketIdle: a tunnel in which nothing moves is closed where the route
// says so.
func TestWebSocketIdle(t *testing.T) {
	t.Parallel()
	w := handled(t, echo, webSockets, func(_ *world, c *proxy.Config, _ *httptest.Server) {
		c.Routes[0].StreamIdle = time.Second // enough for the handshake on a busy machine
	})
	conn, err := w.dial(t, w.acme)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("the tunnel goes on: %v", err)
	}
	if line := w.log.waitFor(t, "stream_ended"); line["reason"] != "upstream_timeout" {
		t.Errorf("logged %v", line)
	}
}

const handshake = "Connection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"

// TestUpgradeShapes: only a plain WebSocket handshake becomes a tunnel.
func TestUpgradeShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, webSockets)
	send := func(method, lines, body string) *answer {
		w.hits.Store(0)
		return w.send(t, w.acme, method+" /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n"+lines+"\n"+body)
	}
	for name, request := range map[string][2]string{
		"with a body":        {handshake + "Content-Length: 2\n", "hi"},
		"with a chunked one": {handshake + "Transfer-Encoding: chunked\n", "0\n\n"},
		"two keys":           {handshake + "Sec-WebSocket-Key: b\n", ""},
		"two versions":       {handshake + "Sec-WebSocket-Version: 8\n", ""},
	} {
		if a := send("GET", request[0], request[1]); a.StatusCode != 400 || w.hits.Load() != 0 {
			t.Errorf("%s: %d, %d hits", name, a.StatusCode, w.hits.Load())
		}
	}
	if a := send("POST", handshake+"Content-Length: 0\n", ""); a.StatusCode != 200 || len(w.values("Upgrade")) != 0 {
		t.Errorf("by POST, which opens none here: %d %q", a.StatusCode, w.values("Upgrade"))
	}
	w.log.decisions(t)
	// Another protocol is not asked for upstream: the request goes on without it.
	for _, upgrade := range []string{"h2c", "websocket, h2c", "TLS/1.3", "websocket\nUpgrade: h2c"} {
		a := send("GET", "Connection: Upgrade, HTTP2-Settings\nUpgrade: "+upgrade+"\nHTTP2-Settings: AAMAAABk\n", "")
		if a.StatusCode != 200 || len(w.values("Upgrade")) != 0 || len(w.values("Connection")) != 0 || len(w.values("HTTP2-Settings")) != 0 {
			raw, _ := w.received()
			t.Errorf("%s: %d, %q", upgrade, a.StatusCode, raw)
		}
	}
	w.log.decisions(t)
	// An upstream that declines is answered as it says, and one that switches to
	// something else is refused.
	w.setReply("HTTP/1.1 403 Forbidden\nContent-Length: 2\n\nno")
	if a := send("GET", handshake, ""); a.StatusCode != 403 || string(a.body) != "no" {
		t.Errorf("declined: %d %s", a.StatusCode, a.body)
	}
	if got := strings.Join(w.values("Upgrade"), "&"); got != "websocket" {
		t.Errorf("Upgrade %q", got)
	}
	w.log.decisions(t)
	for _, reply := range []string{"HTTP/1.1 101 X\nConnection: Upgrade\nUpgrade: h2c\n\n", "HTTP/1.1 101 X\n\n"} {
		w.setReply(reply)
		if a := send("GET", handshake, ""); a.StatusCode != 502 {
			t.Errorf("%q: %d", reply, a.StatusCode)
		}
		if line := w.log.one(t); line["reason"] != "upstream_unreachable" {
			t.Errorf("logged %v", line)
		}
	}
}

// TestNoWebSocketUnlessTheRouteSays: the handshake goes on as a plain request.
func TestNoWebSocketUnlessTheRouteSays(t *testing.T) {
	t.Parallel()
	w := handled(t, echo)
	if conn, err := w.dial(t, w.acme); err == nil {
		_ = conn.CloseNow()
		t.Error("opened")
	} else if errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
