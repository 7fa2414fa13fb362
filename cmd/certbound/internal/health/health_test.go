package health

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/keys/keystest"
)

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		":8443":                     "127.0.0.1:8443 [::1]:8443",
		"0.0.0.0:8443":              "127.0.0.1:8443",
		"[::]:8443":                 "[::1]:8443 127.0.0.1:8443",
		"[0:0:0:0:0:0:0:0]:8443":    "[::1]:8443 127.0.0.1:8443",
		"[::ffff:0.0.0.0]:8443":     "[::1]:8443 127.0.0.1:8443",
		"127.0.0.1:8443":            "127.0.0.1:8443",
		"[::1]:8443":                "[::1]:8443",
		"10.1.2.3:8443":             "10.1.2.3:8443",
		"[fe80::1%eth0]:8443":       "[fe80::1%eth0]:8443",
		"as.internal.example:18443": "as.internal.example:18443",
	} {
		got, err := reachable(listen)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v, want %s", listen, got, err, want)
		}
	}
	for _, listen := range []string{"", "localhost", "127.0.0.1:0", ":0", "[::]:00"} {
		if got, err := reachable(listen); err == nil {
			t.Errorf("%q: %v", listen, got)
		}
	}
}

// TestListing reads what package ops writes, so that the two cannot drift apart.
func TestListing(t *testing.T) {
	for name, c := range map[string]struct {
		checks []ops.Check
		want   Report
	}{
		"well": {[]ops.Check{check("process", "", false)}, Report{Status: 200, Healthy: true, Checks: []Check{{"process", OK, ""}}}},
		"degraded": {
			[]ops.Check{check("reload", "a.yaml:1:1: x: y\na.yaml:2:1: z", true), check("process", "", false)},
			Report{Status: 200, Healthy: true, Checks: []Check{{"reload", Degraded, "a.yaml:1:1: x: y\na.yaml:2:1: z"}, {"process", OK, ""}}},
		},
		"failed": {
			[]ops.Check{check("database", "no: thing", false), check("keys", "", false), check("trust", "old", true), check("process", "stopping", false)},
			Report{
				Status: 503, Reason: "database: no: thing; process: stopping",
				Checks: []Check{{"database", Failed, "no: thing"}, {"keys", OK, ""}, {"trust", Degraded, "old"}, {"process", Failed, "stopping"}},
			},
		},
	} {
		recorder := httptest.NewRecorder()
		ops.Handler(nil, c.checks...).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz?verbose", http.NoBody))
		got := Report{Status: recorder.Code}
		listed(&got, recorder.Body.Bytes())
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func check(name, fault string, advisory bool) ops.Check {
	return ops.Check{Name: name, Advisory: advisory, Probe: func(context.Context) error {
		if fault == "" {
			return nil
		}
		return fmt.Errorf("%s", fault)
	}}
}

// TestOthersAnswers: what is no answer of the listener that was asked is no health.
func TestOthersAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		judge  func(*Report, []byte)
		status int
		body   string
		want   string // reason; "" is healthy
	}{
		"ops: another page":        {listed, 200, "<html>\nok</html>\n", "what answers is not the ops listener of certbound"},
		"ops: nothing":             {listed, 200, "", "what answers is not the ops listener of certbound"},
		"ops: not there":           {listed, 404, "404 page not found\n", "status 404"},
		"ops: alive":               {listed, 200, "ok\n", ""},
		"serve: keys":              {served, 200, `{"keys":[]}`, ""},
		"serve: a refusal":         {served, 503, `{"error":"temporarily_unavailable","error_description":"d","reason":"storage_unavailable"}`, "status 503, storage_unavailable: d"},
		"serve: not there":         {served, 404, `{"reason":"route_unknown"}`, "status 404, route_unknown"},
		"serve: a gateway's":       {served, 502, `Bad Gateway`, "status 502"},
		"proxy: metadata":          {answered, 200, `{}`, ""},
		"proxy: without metadata":  {answered, 404, `{"reason":"route_unknown"}`, ""},
		"proxy: a route of its":    {answered, 401, `{"reason":"token_missing"}`, ""},
		"proxy: not a refusal":     {answered, 404, `{}`, "status 404"},
		"proxy: refuses everybody": {answered, 503, `{"reason":"revocations_stale","error_description":"d"}`, "status 503, revocations_stale: d"},
	} {
		r := Report{Status: c.status}
		c.judge(&r, []byte(c.body))
		if r.Reason != c.want || r.Healthy != (c.want == "") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestNameOf(t *testing.T) {
	for want, c := range map[string]*x509.Certificate{
		"a.test":             {DNSNames: []string{"a.test", "b.test"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}},
		"healthcheck.a.test": {DNSNames: []string{"*.a.test"}},
		"10.0.0.1":           {IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}},
		"::1":                {IPAddresses: []net.IP{net.IPv6loopback}},
		"localhost":          {},
	} {
		if got := nameOf(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if len(c.DNSNames)+len(c.IPAddresses) > 0 && c.VerifyHostname(want) != nil {
			t.Errorf("the certificate is not for %q", want)
		}
	}
}

func TestMetadataPath(t *testing.T) {
	const at = "/.well-known/oauth-protected-resource"
	for audience, want := range map[string]string{
		"https://api.test": at, "https://api.test/": at, "https://api.test/a%20b/": at + "/a%20b", "urn:api": at, ":": at,
	} {
		if got := metadataPath(audience); got != want {
			t.Errorf("%s: %s, want %s", audience, got, want)
		}
	}
}

// TestEnvironmentDecides: the process has its settings from there too.
func TestEnvironmentDecides(t *testing.T) {
	dir := t.TempDir()
	server := keystest.NewCA(t, "servers").Server(t, keystest.DNS(), keystest.IP("10.9.8.7"))
	cert, _ := server.WriteFiles(t, dir, "other")
	file := filepath.Join(dir, "serve.yaml")
	text := "version: 1\nissuer: https://as.test/bank\nlisten: ':1'\ntls: {certificate: nowhere.pem, key: nowhere.key}\ndatabase: {path: x.db}\nkeys: {active: k, keks: [{id: k, file: kek}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, environ := range map[string][]string{
		"https://10.9.8.7:7000/bank/.well-known/jwks.json": {"CERTBOUND_LISTEN=0.0.0.0:7000", "CERTBOUND_TLS_CERTIFICATE_FILE=" + cert},
		"http://127.0.0.1:7001/readyz?verbose":             {"CERTBOUND_OPS_LISTEN=:7001"},
	} {
		got, outdated, err := find(Config{File: file, Environ: environ, Probe: Ready, Timeout: time.Second})
		if err != nil || outdated || got.url != want || got.process != config.ServeProcess {
			t.Errorf("%+v, %t, %v, want %s", got, outdated, err, want)
		}
	}
}

// FuzzParseListing: nothing of the report is lost, and every check has a state.
func FuzzParseListing(f *testing.F) {
	for _, seed := range []string{"", "ok\n", "[+] process\nok\n", "[-] a: b: c\n more\n[!] degraded: d: e\nnot ready\n", "\n\n", "stray\n[+] \nok"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		checks, verdict := parseListing(body)
		if strings.Contains(verdict, "\n") {
			t.Errorf("verdict %q", verdict)
		}
		for _, c := range checks {
			if c.State != OK && c.State != Degraded && c.State != Failed || !strings.Contains(body, c.Detail) || !strings.Contains(body, c.Name) {
				t.Errorf("%+v is not in %q", c, body)
			}
		}
	})
}
