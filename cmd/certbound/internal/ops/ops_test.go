package ops_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/ops"
)

func TestHandler(t *testing.T) {
	fine := ops.Check{Name: "signing key", Probe: func(context.Context) error { return nil }}
	broken := ops.Check{Name: "database", Probe: func(context.Context) error { return errors.New("disk full") }}
	worse := ops.Check{Name: "reload", Probe: func(context.Context) error { return errors.New("line 3") }, Advisory: true}
	for _, tt := range []struct {
		name, method, target string
		checks               []ops.Check
		status               int
		body                 string
	}{
		{"alive", "GET", "/livez", nil, 200, "ok\n"},
		{"alive even when not ready", "GET", "/livez", []ops.Check{broken}, 200, "ok\n"},
		{"head", "HEAD", "/livez", nil, 200, "ok\n"},
		{"ready", "GET", "/readyz", []ops.Check{fine}, 200, "ok\n"},
		{"not ready", "GET", "/readyz", []ops.Check{broken, fine}, 503, "not ready\n"},
		{"ready verbose", "GET", "/readyz?verbose", []ops.Check{fine}, 200, "[+] signing key\nok\n"},
		{"not ready verbose", "GET", "/readyz?verbose", []ops.Check{broken, fine}, 503, "[-] database: disk full\n[+] signing key\nnot ready\n"},
		{"degraded is ready", "GET", "/readyz", []ops.Check{worse}, 200, "ok\n"},
		{"degraded verbose", "GET", "/readyz?verbose", []ops.Check{worse, fine}, 200, "[!] degraded: reload: line 3\n[+] signing key\nok\n"},
		{"degraded and not ready", "GET", "/readyz", []ops.Check{broken, worse}, 503, "not ready\n"},
		{"nothing else", "GET", "/debug/pprof/", nil, 404, "404 page not found\n"},
		{"no writes", "POST", "/readyz", nil, 405, "Method Not Allowed\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			ops.Handler(ops.NewMetrics("v0", "go0"), tt.checks...).ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

func TestHandlerBoundsAProbe(t *testing.T) {
	var bounded bool
	check := ops.Check{Name: "database", Probe: func(ctx context.Context) error {
		_, bounded = ctx.Deadline()
		return nil
	}}
	ops.Handler(ops.NewMetrics("v0", "go0"), check).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if !bounded {
		t.Error("the probe ran without a deadline")
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		":8446":          "127.0.0.1:8446",
		"127.0.0.1:0":    "127.0.0.1:0",
		"0.0.0.0:8446":   "0.0.0.0:8446",
		"[::1]:8446":     "[::1]:8446",
		"not an address": "not an address",
	} {
		if got := ops.Address(in); got != want {
			t.Errorf("Address(%q) = %q, want %q", in, got, want)
		}
	}
}
