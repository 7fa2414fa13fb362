package proxy_test

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/proxy"
)

// TestTargetArrivesByteForByte: what was matched is what the upstream reads.
func TestTargetArrivesByteForByte(t *testing.T) {
	t.Parallel()
	for base, prefix := range map[string]string{"": "", "/": "", "/base": "/base", "/base/": "/base", "/b%40se/v1": "/b%40se/v1", "/b@se/%c3%a9/": "/b@se/%c3%a9"} {
		w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
			for i := range c.Routes {
				c.Routes[i].Upstream = mustURL(t, w.url.String()+base)
			}
		})
		for _, target := range []string{
			"/accounts", "/accounts?", "/accounts?a=b&a=c", "/accounts?q=%2e%2E/../x", "/accounts?a=b+c&d", "/accounts/a@b", "/accounts/a%40b", "/accounts/caf%C3%A9",
			"/accounts/caf%c3%a9", "/accounts/x%20y", "/accounts/!$&'()*+,=:@-._~", "/accounts/%21%24%2B", "/accounts/...", "/accounts/100%25", "/accounts/%7B%7D/items?x=/a//b",
		} {
			a := w.call(t, "GET", target)
			if _, line := w.received(); a.StatusCode != 200 || line != "GET "+prefix+target+" HTTP/1.1" {
				t.Errorf("base %q: %s arrived as %q (%d)", base, target, line, a.StatusCode)
			}
		}
		// The absolute form is forwarded in origin form.
		if a := w.call(t, "GET", "https://localhost/accounts?x=1"); a.StatusCode != 200 {
			t.Errorf("absolute form: %d", a.StatusCode)
		}
		if _, line := w.received(); line != "GET "+prefix+"/accounts?x=1 HTTP/1.1" {
			t.Errorf("absolute form arrived as %q", line)
		}
	}
}

// TestHTTP2 sends the same rules through HTTP/2 framing.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, _ *proxy.Config, s *httptest.Server) { s.EnableHTTP2 = true })
	client := w.client(t, "h2")
	get := func(path string) int {
		res, err := client.Do(w.request(t.Context(), t, "GET", path, nil))
		must(t, err)
		must(t, res.Body.Close())
		if res.ProtoMajor != 2 {
			t.Fatalf("got %s", res.Proto)
		}
		return res.StatusCode
	}
	if status := get("/accounts/a%40b?x=%20"); status != 200 {
		t.Errorf("%d", status)
	}
	if _, line := w.received(); line != "GET /accounts/a%40b?x=%20 HTTP/1.1" {
		t.Errorf("arrived as %q", line)
	}
	for _, path := range []string{"/accounts/%2e%2e/x", "/accounts/a%2Fb", "//accounts", "/accounts/x;y", "/accounts/%252f", "/accounts?a=b HTTP/1.0", "/accounts? access_token=x"} {
		if status := get(path); status != 400 || w.hits.Load() != 1 {
			t.Errorf("%s: %d, %d hits", path, status, w.hits.Load())
		}
	}
}

// TestEveryDecisionIsLoggedOnce: route, upstream status and identity of what was
// allowed.
func TestEveryDecisionIsLoggedOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) {
		c.Clock = func() time.Time { return now.Add(time.Hour) }
	})
	w.setReply("HTTP/1.1 418 I'm a teapot\nContent-Length: 0\n\n")
	a := w.call(t, "GET", "/accounts/7?secret=1")
	line := w.log.one(t)
	got := map[string]any{}
	for _, key := range []string{"level", "outcome", "journey", "status", "upstream_status", "method", "path", "route", "client_id", "partner", "tls_version", "request_id", "reason"} {
		got[key] = line[key]
	}
	want := map[string]any{
		"level": "INFO", "outcome": "allow", "journey": "api_request", "status": 418.0, "upstream_status": 418.0, "method": "GET", "path": "/accounts/7", "route": "/accounts/{id}",
		"client_id": "acme-billing", "partner": "acme", "tls_version": "TLS 1.3", "request_id": a.Header.Get("X-Request-Id"), "reason": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if elapsed := line["elapsed_us"].(float64); elapsed < 3.5e9 {
		t.Errorf("elapsed_us = %v, the injected clock says an hour", elapsed)
	}
	if cert := line["certificate"].(map[string]any); cert["x5t_s256"] != w.acmeThumb {
		t.Errorf("certificate %v", cert)
	}
}

func TestUpstreamFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replies := map[string]string{
		"closes at once":       "",
		"speaks no HTTP":       "SSH-2.0-OpenSSH\n\n",
		"broken header":        "HTTP/1.1 200 OK\nbad header\n\n",
		"switches protocols":   "HTTP/1.1 101 Switching Protocols\n\nraw bytes",
		"switches to the type": "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n\nraw bytes",
		"conflicting lengths":  "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\nab",
	}
	for name, reply := range replies {
		w.setReply(reply)
		a := w.call(t, "GET", "/accounts", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
		if a.StatusCode != 502 || a.json.Reason != "upstream_unreachable" || a.json.Error != "bad_gateway" || a.json.RequestID != a.Header.Get("X-Request-Id") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		line := w.log.one(t)
		if line["outcome"] != "refuse" || line["reason"] != "upstream_unreachable" || line["detail"] == nil || line["client_id"] != "acme-billing" {
			t.Errorf("%s: logged %v", name, line)
		}
	}
}

func TestUpstreamDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) {
		c.Routes[0].Upstream = mustURL(t, "http://"+address)
	})
	a := w.call(t, "GET", "/accounts")
	w.expectRefusal(t, a, 502, "upstream_unreachable")
	if strings.Contains(string(a.body), address) {
		t.Errorf("the caller learns the upstream's address: %s", a.body)
	}
}

func TestTransportReadsNoEnvironment(t *testing.T) {
	t.Parallel()
	tr := proxy.NewTransport()
	if tr.Proxy != nil || !tr.DisableCompression || !tr.ForceAttemptHTTP2 || tr.ResponseHeaderTimeout != 30*time.Second || tr.MaxIdleConns == 0 || tr.IdleConnTimeout == 0 {
		t.Errorf("%+v", tr)
	}
}
