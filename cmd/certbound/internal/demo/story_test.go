package demo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/demo"
	"github.com/certbound/certbound/cmd/certbound/internal/dev"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/thumbprint"
	"os"
	"path/filepath"
)

// up runs a dev on free ports until the test ends.
func up(t *testing.T) *dev.Info {
	t.Helper()
	server, err := dev.New(t.Context(), dev.Options{
		Dir: t.TempDir(), AuthzAddr: ":0", ProxyAddr: ":0", AdminAddr: ":0", OpsAddr: ":0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- server.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("dev ended: %v", err)
	}
	return &server.Info
}

func TestRun(t *testing.T) {
	info := up(t)
	for range 2 { // dev stays usable
		var b strings.Builder
		good, err := demo.Run(t.Context(), &b, info)
		if err != nil || !good {
			t.Errorf("Run = %v, %v:\n%s", good, err, b.String())
		}
	}
}

// A proxy that checks nothing is what the demo exists to tell apart: each refusal
// that does not come, and each request that reaches the API, has to show.
func TestRunSeesABearerProxy(t *testing.T) {
	info := up(t)
	var hits atomic.Int64
	careless := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_, _ = io.WriteString(w, "{}")
	}))
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"hits":%d}`, hits.Load())
	}))
	defer upstream.Close()
	careless.StartTLS()
	defer careless.Close()
	broken := *info
	broken.Proxy, broken.Upstream.Hits = careless.URL, upstream.URL
	broken.CA = bundleOf(t, info, careless)
	var b strings.Builder
	good, err := demo.Run(t.Context(), &b, &broken)
	if err != nil || good {
		t.Errorf("Run = %v, %v", good, err)
	}
	if !strings.HasSuffix(b.String(), "\n2 of 6 as they should be\n") || strings.Count(b.String(), "FAIL") != 4 {
		t.Errorf("got\n%s", b.String())
	}
}

// bundleOf writes a CA file that trusts dev's servers and one more, which signed
// itself.
func bundleOf(t *testing.T, info *dev.Info, server *httptest.Server) string {
	t.Helper()
	first, err := os.ReadFile(info.Path(info.CA))
	if err != nil {
		t.Fatal(err)
	}
	name := "both.pem"
	both := append(first, ca.EncodeCertificates(server.Certificate())...)
	if err := os.WriteFile(info.Path(name), both, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A token that is bound to something else makes a story of no worth.
func TestRunLooksIntoTheToken(t *testing.T) {
	info := up(t)
	other := thumbprint.Thumbprint{1}
	payload, err := json.Marshal(map[string]any{"cnf": map[string]string{"x5t#S256": other.String()}})
	if err != nil {
		t.Fatal(err)
	}
	token := "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
	wrong := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":300}`, token)
	}))
	defer wrong.Close()
	broken := *info
	broken.TokenEndpoint, broken.CA = wrong.URL, bundleOf(t, info, wrong)
	var b strings.Builder
	if good, err := demo.Run(t.Context(), &b, &broken); err != nil || good {
		t.Errorf("Run = %v, %v", good, err)
	}
	if !strings.Contains(b.String(), "the token is bound to "+other.String()+", not to acme-billing's certificate") {
		t.Errorf("got\n%s", b.String())
	}
}

func TestRunNeedsAWholeDev(t *testing.T) {
	if _, err := demo.Run(t.Context(), io.Discard, &dev.Info{CA: "ca.pem"}); err == nil || !strings.HasPrefix(err.Error(), "demo: ca.pem: ") {
		t.Errorf("without a CA file: %v", err)
	}
	info := *up(t)
	info.Clients = nil
	if _, err := demo.Run(t.Context(), io.Discard, &info); err == nil || !strings.Contains(err.Error(), filepath.Base("dev.json")+" has no client") {
		t.Errorf("without clients: %v", err)
	}
}

// TestRunSaysThatDevIsGone: not being there is another thing than failing a check.
func TestRunSaysThatDevIsGone(t *testing.T) {
	gone := *up(t)
	gone.Upstream.Hits = "http://127.0.0.1:1/hits"
	good, err := demo.Run(t.Context(), io.Discard, &gone)
	if good || cli.Code(err) != cli.Refused {
		t.Errorf("Run = %v, %v; want exit code %d", good, err, cli.Refused)
	}
}
