package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

// running is a Main on a goroutine of its own.
type running struct {
	stop  context.CancelFunc
	ended chan int
	lines chan map[string]any // its log
}

func start(t *testing.T, environ []string, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	logRead, logWrite := io.Pipe()
	r := &running{stop: stop, ended: make(chan int, 1), lines: make(chan map[string]any, 1000)}
	go func() {
		defer close(r.lines)
		for dec := json.NewDecoder(logRead); ; {
			line := map[string]any{}
			if dec.Decode(&line) != nil {
				_, _ = io.Copy(io.Discard, logRead) // whatever is not JSON must not block the program
				return
			}
			r.lines <- line
		}
	}()
	go func() {
		m := &Main{Args: args, Environ: environ, Stdout: io.Discard, Stderr: logWrite}
		r.ended <- m.Run(ctx)
		_ = logWrite.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-r.ended; code != 0 {
			t.Errorf("%s ended with %d, want 0 after a stop", args[0], code)
		}
	})
	return r
}

// address waits until a listener is up and returns its address.
func (r *running) address(t *testing.T, listener string) string {
	t.Helper()
	for line := range r.lines {
		if line["msg"] == "listening" && line["listener"] == listener {
			return line["address"].(string)
		}
	}
	t.Fatalf("it ended before it listened as %s", listener)
	return ""
}

// freePort finds a port for an issuer, whose name has to be known beforehand.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// TestServeAndProxy runs both processes from their files, as an operator would:
// a seed, an environment override, the ops listeners, a token, a call.
func TestServeAndProxy(t *testing.T) {
	dir := t.TempDir()
	servers, partners := keystest.NewCA(t, "servers"), keystest.NewCA(t, "partners")
	servers.Server(t, keystest.DNS("localhost"), keystest.IP("127.0.0.1")).WriteFiles(t, dir, "server")
	client := partners.Client(t, keystest.DNS("billing.acme.test"))
	cert, key := client.WriteFiles(t, dir, "client")
	caFile := servers.WriteFile(t, dir, "ca")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.Header.Get("X-Certbound-Client"))
	}))
	defer upstream.Close()
	port := freePort(t)
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("kek", base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n")
	write("seed.yaml", fmt.Sprintf(`
partners: [{id: acme, name: Acme}]
trust_bundles: [{name: partners, anchors: %q}]
apis: [{id: accounts, audience: "https://api.test", scopes: ["accounts:read"]}]
clients:
  - {client_id: billing, partner_id: acme, token_endpoint_auth_method: tls_client_auth,
     tls_client_auth_san_dns: billing.acme.test, trust_bundle: partners, scope: "accounts:read"}
`, partners.CertPEM()))
	serveFile := write("serve.yaml", fmt.Sprintf(`
version: 1
issuer: https://localhost:%d
listen: 127.0.0.1:1
tls: {certificate: server.pem, key: server.key}
database: {path: certbound.db}
keys: {active: k1, keks: [{id: k1, file: kek}]}
token_lifetime: 60s
ops: {listen: ":0"}
seed: seed.yaml
`, port))
	proxyFile := write("proxy.yaml", fmt.Sprintf(`
version: 1
listen: 127.0.0.1:0
tls: {certificate: server.pem, key: server.key}
issuer: https://localhost:%d
issuer_ca: %s
audience: https://api.test
leeway: 0s
ops: {listen: "127.0.0.1:0"}
routes:
  - {path: /accounts, methods: [GET], scopes: ["accounts:read"], upstream: %q}
`, port, filepath.Base(caFile), upstream.URL))

	authz := start(t, []string{fmt.Sprintf("CERTBOUND_LISTEN=127.0.0.1:%d", port)}, "serve", "--config", serveFile)
	authz.address(t, "authz")
	authzOps := authz.address(t, "ops")
	proxy := start(t, nil, "proxy", "--config", proxyFile)
	proxyAddress := proxy.address(t, "proxy")
	proxyOps := proxy.address(t, "ops")

	prober := &http.Client{Timeout: 10 * time.Second}
	for _, address := range []string{authzOps, proxyOps} {
		if status, body := get(t, prober, "http://"+address+"/readyz?verbose", ""); status != 200 || !strings.HasSuffix(body, "[+] process\nok\n") {
			t.Errorf("%s is not ready: %d %q", address, status, body)
		}
	}
	issuer := fmt.Sprintf("https://localhost:%d", port)
	ask := func(more ...string) (int, string, string) {
		return once(t, append([]string{"token", "--client-id", "billing", "--cert", cert, "--key", key, "--ca", caFile}, more...)...)
	}
	code, token, messages := ask("--issuer", issuer, "--resource", "https://api.test")
	if code != 0 || messages != "" {
		t.Fatalf("token ended with %d: %s", code, messages)
	}
	code, answer, messages := ask("--token-endpoint", issuer+"/oauth2/token", "-o", "json")
	if code != 0 || messages != "" || !strings.Contains(answer, `"expires_in": 60,`) {
		t.Errorf("token -o json ended with %d: %s%s", code, answer, messages)
	}
	refusal := regexp.MustCompile(`^certbound: token: refused with status 400
  error        invalid_scope
  description  a requested scope is .*
  reason       scope_not_granted
  request_id   [0-9a-f]{32}
$`)
	if code, out, messages := ask("--issuer", issuer, "--scope", "accounts:read accounts:all"); code != 2 || out != "" || !refusal.MatchString(messages) {
		t.Errorf("a scope not granted: %d %q\n%s", code, out, messages)
	}
	if code, out, messages := ask("--issuer", fmt.Sprintf("https://localhost:%d", freePort(t))); code != 2 || out != "" || !strings.Contains(messages, "connection refused") {
		t.Errorf("nobody there: %d %q\n%s", code, out, messages)
	}
	if code, _, messages := ask("--issuer", issuer, "--ca", key); code != 1 || !strings.Contains(messages, `a PEM block "PRIVATE KEY"; only CERTIFICATE belongs here`) {
		t.Errorf("a key for a CA: %d\n%s", code, messages)
	}
	if code, _, messages := ask("--issuer", issuer, "--cert", caFile); code != 1 || !strings.Contains(messages, "private key does not match public key") {
		t.Errorf("a certificate of another key: %d\n%s", code, messages)
	}
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: servers.Pool(), Certificates: []tls.Certificate{client.TLS()}, MinVersion: tls.VersionTLS13,
	}}}
	defer caller.CloseIdleConnections()
	status, body := get(t, caller, "https://"+proxyAddress+"/accounts", strings.TrimSpace(token))
	if status != 200 || body != "hello billing" {
		t.Errorf("the call got %d %q", status, body)
	}
	expectMetrics(t, prober, authzOps, `certbound_decisions_total{journey="token_request",outcome="refuse",reason="scope_not_granted"} 1`,
		`certbound_certificate_not_after_timestamp_seconds{certificate="authz"}`, `certbound_database_up 1`, `certbound_config_last_reload_successful 1`)
	expectMetrics(t, prober, proxyOps, `certbound_decisions_total{journey="api_request",outcome="allow",reason=""} 1`,
		`certbound_certificate_not_after_timestamp_seconds{certificate="proxy"}`, `certbound_issuer_keys_fetches_total 1`)
}

// expectMetrics wants each process to show its own half.
func expectMetrics(t *testing.T, client *http.Client, address string, want ...string) {
	t.Helper()
	_, text := get(t, client, "http://"+address+"/metrics", "")
	for _, line := range want {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("%s does not show %s", address, line)
		}
	}
}

// once runs the program to its end.
func once(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, messages strings.Builder
	m := &Main{Args: args, Stdout: &out, Stderr: &messages}
	code = m.Run(t.Context())
	return code, out.String(), messages.String()
}

func get(t *testing.T, client *http.Client, address, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
