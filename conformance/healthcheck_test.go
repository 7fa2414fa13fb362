package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// health is what `certbound healthcheck -o json` prints.
type health struct {
	Process, Probe, Listener, URL, Reason string

	Healthy bool
	Status  int
	Checks  []struct{ Name, State, Detail string }
}

// healthcheck runs the command and wants the code; what it prints on stdout is the
// same in every case.
func healthcheck(t *testing.T, want int, file string, more ...string) (report health, stderr string) {
	t.Helper()
	result := harness.Run(t, append([]string{"healthcheck", "--config", file, "-o", "json"}, more...)...)
	if result.Code != want {
		t.Fatalf("code %d, want %d\n%s%s", result.Code, want, result.Stdout, result.Stderr)
	}
	if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, result.Stdout, result.Stderr)
	}
	if report.Healthy != (want == 0) || (report.Reason == "") != (want == 0) {
		t.Errorf("code %d with %+v", want, report)
	}
	return report, result.Stderr
}

// onEveryAddress makes both processes listen at every address, each in another
// spelling.
func onEveryAddress(t *testing.T, site *harness.Site, hosts ...string) {
	t.Helper()
	for i, config := range []map[string]any{site.Serve, site.ProxyCfg} {
		_, port, err := net.SplitHostPort(config["listen"].(string))
		if err != nil {
			t.Fatal(err)
		}
		config["listen"] = hosts[i] + ":" + port
	}
}

// TestHealthcheckAsksThePublicListener: without an ops listener, for both processes,
// and as soon as nobody is there it says so.
func TestHealthcheckAsksThePublicListener(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, newUpstream(t).URL)
	onEveryAddress(t, site, "0.0.0.0", "")
	serveFile, proxyFile := site.WriteConfigs(t)
	for _, file := range []string{serveFile, proxyFile} {
		_, stderr := healthcheck(t, 2, file)
		expectMentions(t, stderr, "certbound: healthcheck: ", "does not answer", "connection refused")
	}
	_, serve, proxy := site.StartBoth(t)
	for listener, file := range map[string]string{"authz": serveFile, "proxy": proxyFile} {
		for _, probe := range []string{"ready", "live"} {
			report, stderr := healthcheck(t, 0, file, "--probe", probe)
			if report.Listener != listener || report.Status != http.StatusOK || stderr != "" {
				t.Errorf("%+v\n%s", report, stderr)
			}
		}
	}
	if err := proxy.Stop(); err != nil {
		t.Error(err)
	}
	healthcheck(t, 2, proxyFile)
	healthcheck(t, 0, serveFile)
	if err := serve.Stop(); err != nil {
		t.Error(err)
	}
	healthcheck(t, 2, serveFile)
}

// TestHealthcheckOfProxyWithoutMetadata: a refusal that only certbound gives is an
// answer, and it is the one that the log shows.
func TestHealthcheckOfProxyWithoutMetadata(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, newUpstream(t).URL)
	site.ProxyCfg["resource_metadata"] = false
	d := site.StartProxy(t)
	_, file := site.WriteConfigs(t)
	if report, _ := healthcheck(t, 0, file); report.Status != http.StatusNotFound {
		t.Errorf("%+v", report)
	}
	d.Stderr.WaitFor(t, "the refusal", func(l harness.Line) bool { return l.Text("reason") == "route_unknown" })
}

// TestHealthcheckAsksTheOpsListener: what the process says of itself is passed on,
// and a mistake in its file does not make it ill.
func TestHealthcheckAsksTheOpsListener(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, newUpstream(t).URL)
	site.Serve["ops"] = map[string]any{"listen": "[::]:" + harness.FreePort(t)}
	d := site.StartWith(t)
	file, _ := site.WriteConfigs(t)
	report, _ := healthcheck(t, 0, file)
	if report.Process != "serve" || report.Listener != "ops" || !strings.HasSuffix(report.URL, "/readyz?verbose") || len(report.Checks) < 4 {
		t.Errorf("%+v", report)
	}
	plain := harness.Run(t, "healthcheck", "--config", file)
	if plain.Code != 0 || !strings.HasPrefix(plain.Stdout, "serve is ready: http://") || plain.Stderr != "" {
		t.Errorf("code %d: %s%s", plain.Code, plain.Stdout, plain.Stderr)
	}

	site.Serve["token_lifetime"] = "9h" // the process goes on by what it has read
	site.ReplaceConfigs(t)
	d.Stderr.WaitFor(t, "the failed reload", func(l harness.Line) bool { return l.Text("msg") == "reload_failed" })
	plain = harness.Run(t, "healthcheck", "--config", file)
	if plain.Code != 0 {
		t.Errorf("code %d", plain.Code)
	}
	expectMentions(t, plain.Stdout, "degraded: reload", "token_lifetime")
	expectMentions(t, plain.Stderr, "warning", "config validate")

	execute(t, filepath.Join(site.Dir, "site.db"), "DELETE FROM schema_migrations")
	report, stderr := healthcheck(t, 3, file)
	if report.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", report)
	}
	expectMentions(t, stderr, "serve is not ready", "database: ")
	if report, _ := healthcheck(t, 0, file, "--probe", "live"); !strings.HasSuffix(report.URL, "/livez") {
		t.Errorf("%+v", report)
	}
}

// execute changes the database behind the back of the server.
func execute(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestHealthcheckBelievesOneCertificate: not another of the same authority and for
// the same names, and not one that the configured certificate has signed.
func TestHealthcheckBelievesOneCertificate(t *testing.T) {
	t.Parallel()
	servers := keystest.NewCA(t, "servers")
	itself := keystest.SelfSigned(t, keystest.DNS("localhost"), keystest.IsCA(), keystest.KeyUsage(x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature), keystest.NoEKU())
	good, expired := servers.Server(t), servers.Server(t, keystest.Expired())
	for name, c := range map[string]struct {
		configured, presented keystest.Pair
		code                  int
		want                  string
	}{
		"the one":               {good, good, 0, ""},
		"itself an authority":   {itself, itself, 0, ""},
		"of the same authority": {good, servers.Server(t), 2, "another certificate than"},
		"signed by it":          {itself, keystest.Issuer(itself).Server(t), 2, "another certificate than"},
		"of a stranger":         {good, keystest.NewCA(t, "stranger").Server(t), 2, "another certificate than"},
		"expired":               {expired, expired, 2, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{c.presented.TLS()}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			t.Cleanup(server.Close)
			site := harness.NewSite(t, "http://127.0.0.1:1")
			site.Serve["listen"] = server.Listener.Addr().String()
			c.configured.WriteFiles(t, site.Dir, "server")
			file, _ := site.WriteConfigs(t)
			_, stderr := healthcheck(t, c.code, file)
			expectMentions(t, stderr, c.want)
		})
	}
}

// TestHealthcheckIsBounded: by its own timeout, whatever the process does.
func TestHealthcheckIsBounded(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	site := harness.NewSite(t, "http://127.0.0.1:1")
	site.ProxyCfg["ops"] = map[string]any{"listen": silent.Addr().String()}
	_, file := site.WriteConfigs(t)
	report, _ := healthcheck(t, 2, file, "--timeout", "200ms")
	if report.Reason != "no answer within 200ms" {
		t.Errorf("%+v", report)
	}
}

// TestHealthcheckNeedsToKnowWhere: and says which line keeps it from knowing.
func TestHealthcheckNeedsToKnowWhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting string
		value   any
		want    string
	}{
		"any port":           {"ops", map[string]any{"listen": "127.0.0.1:0"}, "ops.listen: "},
		"no port":            {"listen", "localhost", "listen: "},
		"no certificate":     {"tls", map[string]any{"certificate": "nowhere.pem", "key": "server.key"}, "tls.certificate: "},
		"not a certificate":  {"tls", map[string]any{"certificate": "kek", "key": "server.key"}, "tls.certificate: "},
		"a list for tls":     {"tls", []string{"server.pem"}, "tls: "},
		"a list for address": {"ops", []string{"127.0.0.1:1"}, "ops: "},
	} {
		t.Run(name, func(t *testing.T) {
			site := harness.NewSite(t, "http://127.0.0.1:1")
			site.Serve[c.setting] = c.value
			file, _ := site.WriteConfigs(t)
			result := harness.Run(t, "healthcheck", "--config", file)
			if result.Code != 1 || result.Stdout != "" {
				t.Errorf("code %d: %s", result.Code, result.Stdout)
			}
			expectMentions(t, result.Stderr, "serve.yaml:", c.want)
		})
	}
	for name, text := range map[string]string{"empty": "", "not YAML": "version: [1\n"} {
		file := writeFile(t, "serve.yaml", text)
		if result := harness.Run(t, "healthcheck", "--config", file); result.Code != 1 {
			t.Errorf("%s: code %d", name, result.Code)
		}
	}
}

// TestImageHealthcheck runs the health check of the Dockerfile as it stands there, but
// for where the files are.
func TestImageHealthcheck(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\nHEALTHCHECK ")
	_, rest, foundCommand := strings.Cut(rest, "CMD ")
	line, _, _ := strings.Cut(rest, "\n")
	var command []string
	if err := json.Unmarshal([]byte(line), &command); !found || !foundCommand || err != nil || len(command) != 4 {
		t.Fatalf("%q: %v", line, err)
	}
	binary, file := command[0], command[3]
	expectMentions(t, string(text), "\nCOPY --from=build /out/certbound "+binary+"\n", "\nENTRYPOINT [\""+binary+"\"]\n", "certbound serve --config "+file+"\n")
	site := harness.NewSite(t, newUpstream(t).URL)
	site.StartWith(t)
	command[3], _ = site.WriteConfigs(t)
	if result := harness.Run(t, command[1:]...); result.Code != 0 {
		t.Errorf("code %d: %s", result.Code, result.Stderr)
	}
}
