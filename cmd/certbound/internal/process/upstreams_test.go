package process_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

// TestRatesOutliveReloads: what was counted stays counted, unless the rates
// themselves change.
func TestRatesOutliveReloads(t *testing.T) {
	dir := files(t)
	limited := proxyYAML + "rate_limits: {address: {requests: 2, per: 1h}}\n"
	p, err := process.NewProxy(loadProxy(t, dir, limited), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for step, tt := range []struct {
		text string // reloaded first, when there is one
		want int
	}{
		{"", http.StatusUnauthorized},
		{strings.Replace(limited, "methods: [GET]", "methods: [GET, PUT]", 1), http.StatusUnauthorized},
		{limited, http.StatusTooManyRequests},
		{strings.Replace(limited, "requests: 2", "requests: 3", 1), http.StatusUnauthorized},
	} {
		if tt.text != "" {
			if _, err := p.Reload(t.Context(), loadProxy(t, dir, tt.text)); err != nil {
				t.Fatal(err)
			}
		}
		if got := status(t, p, "/accounts"); got != tt.want {
			t.Errorf("step %d: %d, want %d", step, got, tt.want)
		}
	}
}

// TestUpstreamFiles: what is wrong with the files of an upstream is said at the
// setting that names them, at the start and at a reload.
func TestUpstreamFiles(t *testing.T) {
	dir := files(t)
	good := proxyYAML + "upstreams:\n  - {name: api, url: 'https://localhost:1', tls: {ca: ca.pem, certificate: server.pem, key: server.key}}\n"
	p, err := process.NewProxy(loadProxy(t, dir, good), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if changed, err := p.Reload(t.Context(), loadProxy(t, dir, good)); err != nil || changed != nil {
		t.Errorf("nothing has changed: %v, %v", changed, err)
	}
	bad := strings.NewReplacer("ca: ca.pem,", "ca: none.pem,", "key: server.key}}", "key: ca.pem}}").Replace(good)
	for name, got := range map[string]error{
		"check": process.CheckProxy(loadProxy(t, dir, bad), options),
		"reload": func() error {
			_, err := p.Reload(t.Context(), loadProxy(t, dir, bad))
			return err
		}(),
	} {
		if got == nil || !strings.Contains(got.Error(), "upstreams[0].tls.ca: ") || !strings.Contains(got.Error(), "upstreams[0].tls.certificate: ") {
			t.Errorf("%s: %v", name, got)
		}
	}
}
