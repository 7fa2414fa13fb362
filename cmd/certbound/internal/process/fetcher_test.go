package process

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/keys/keystest"
)

// TestFetcher: nobody is believed until roots are configured, and what a reload
// stores is in force for the next call.
func TestFetcher(t *testing.T) {
	ca := keystest.NewCA(t, "Partners' servers")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(t).TLS()}}
	server.StartTLS()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	roots := config.Path(ca.WriteFile(t, dir, "roots"))
	others := config.Path(keystest.NewCA(t, "Others").WriteFile(t, dir, "others"))
	var f fetcher
	for _, step := range []struct {
		name   string
		change func(*config.Fetch)
		works  bool
	}{
		{"nothing is configured", func(*config.Fetch) {}, false},
		{"the system's roots", func(c *config.Fetch) { c.SystemRoots = true }, false},
		{"other roots", func(c *config.Fetch) { c.Roots = others }, false},
		{"its roots", func(c *config.Fetch) { c.Roots = roots }, true},
		{"its roots and the system's", func(c *config.Fetch) { c.Roots, c.SystemRoots = roots, true }, true},
		{"its roots, and loopback is not allowed", func(c *config.Fetch) { c.Roots, c.AllowPrivate = roots, nil }, false},
	} {
		settings := config.DefaultFetch()
		settings.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		step.change(&settings)
		client, err := newFetcher(&config.Serve{Fetch: settings})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		f.client.Store(client)
		_, err = f.Get(t.Context(), fetch.Request{URL: server.URL, Accept: []string{"application/json"}})
		if (err == nil) != step.works {
			t.Errorf("%s: %v", step.name, err)
		}
		if step.name == "nothing is configured" && !errors.Is(err, fetch.ErrNoRoots) {
			t.Error(err)
		}
	}
	settings := config.DefaultFetch()
	settings.Roots = config.Path(filepath.Join(dir, "none.pem"))
	if _, err := newFetcher(&config.Serve{Fetch: settings}); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a file that is not there: %v", err)
	}
}
