package conformance

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

func newUpstream(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Client-Cert", ":AAAA:")
		w.Header().Set("X-Certbound-Client", "the upstream says")
		_, _ = w.Write([]byte("served"))
	}))
	t.Cleanup(server.Close)
	return server
}

// TestServeProxyToken is the story with the three commands for real use.
func TestServeProxyToken(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC8705-3-b", "RFC9440-2-2-a")
	upstream := newUpstream(t)
	site := harness.NewSite(t, upstream.URL)
	d := site.Start(t)
	one, two := site.Client(t, "one"), site.Client(t, "two")
	cert, key := one.WriteFiles(t, site.Dir, "one")
	result := harness.Run(t, "token", "--issuer", site.Issuer, "--client-id", "one", "--cert", cert, "--key", key,
		"--ca", filepath.Join(site.Dir, "ca.pem"), "--scope", "accounts:read")
	if result.Code != 0 {
		t.Fatalf("certbound token: code %d\n%s", result.Code, result.Stderr)
	}
	token := strings.TrimSpace(result.Stdout)
	resp := d.CallAPI(t, &one, token)
	expectServed(t, d, resp)
	for name := range resp.Header {
		if name == "Client-Cert" || strings.HasPrefix(name, "X-Certbound-") {
			t.Errorf("the answer has the upstream's %s", name)
		}
	}
	for reason, hands := range map[string]harness.Request{
		"thumbprint_mismatch": d.APIRequest(&two, token), "certificate_missing": d.APIRequest(nil, token),
	} {
		refused := d.Send(t, hands)
		expectRefusal(t, d, refused, badToken(reason))
	}

	t.Run("certbound token tells why", func(t *testing.T) {
		result := harness.Run(t, "token", "--issuer", site.Issuer, "--client-id", "two", "--cert", cert, "--key", key,
			"--ca", filepath.Join(site.Dir, "ca.pem"))
		if result.Code != 2 || result.Stdout != "" {
			t.Errorf("code %d, stdout %q", result.Code, result.Stdout)
		}
		expectMentions(t, result.Stderr, "invalid_client", "client_authentication_failed", "request_id")
	})
	t.Run("upstream away", func(t *testing.T) {
		upstream.Close()
		resp := d.CallAPI(t, &one, token)
		if resp.Status != http.StatusBadGateway || resp.Refusal(t).Reason != "upstream_unreachable" {
			t.Errorf("got %s", resp)
		}
	})
}

// TestIssuerAway shows a proxy that has never had keys: it fails closed and says
// whose fault it is.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-15")
	site := harness.NewSite(t, newUpstream(t).URL)
	d := site.StartProxy(t)
	one := site.Client(t, "one")
	d.SigningKey = forge.NewKey()
	resp := d.CallAPI(t, &one, forged(d, goodClaims(d, one)))
	expectRefusal(t, d, resp, refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "issuer_keys_unavailable", ""})
	// What can be said without keys is said.
	expectRefusal(t, d, d.CallAPI(t, nil, forged(d, goodClaims(d, one))), badToken("certificate_missing"))
}

func TestTLS12WhenAskedFor(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC9325-3-1-1", "RFC8705-7-3", "RFC9325-3-1-1-b", "RFC9325-4-1", "RFC9325-4-2", "RFC9325-3-4")
	site := harness.NewSite(t, newUpstream(t).URL)
	site.Serve["tls"].(map[string]any)["min_version"] = "1.2" // both share it
	d := site.Start(t)
	one := site.Client(t, "one")
	for _, c := range []struct {
		name   string
		adjust func(*tls.Config)
		works  bool
	}{
		{"1.3", func(*tls.Config) {}, true},
		{"1.2 with ECDHE and AEAD", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"1.2 with CBC", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
		}, false},
		{"1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := d.TokenRequest(&one, harness.TokenForm("one").Encode())
			req.TLS = c.adjust
			resp, err := d.Try(t, req)
			if c.works && (err != nil || resp.Status != http.StatusOK) || !c.works && err == nil {
				t.Errorf("%v, %v", resp, err)
			}
		})
	}
	t.Run("no session is resumed", func(t *testing.T) {
		cache := tls.NewLRUClientSessionCache(4)
		for range 3 {
			req := d.TokenRequest(&one, harness.TokenForm("one").Encode())
			req.TLS = func(c *tls.Config) { c.MaxVersion, c.ClientSessionCache = tls.VersionTLS12, cache }
			if resp := d.Send(t, req); resp.TLS.DidResume {
				t.Error("resumed")
			}
		}
	})
}

// TestDoesNotStart breaks one thing of a site at a time. The process must end by
// itself, not with 0, and name the file or the line.
func TestDoesNotStart(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-11")
	for _, c := range []struct {
		name, command string
		spoil         func(t *testing.T, s *harness.Site)
		wants         []string
	}{
		{"issuer_ca missing", "proxy", set("issuer_ca", "nowhere.pem"), []string{"proxy.yaml:", "nowhere.pem"}},
		{"issuer_ca empty", "proxy", file("ca.pem", ""), []string{"proxy.yaml:", "ca.pem"}},
		{"issuer_ca malformed", "proxy", file("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []string{"proxy.yaml:", "ca.pem"}},
		{"issuer_ca is a key", "proxy", set("issuer_ca", "server.key"), []string{"proxy.yaml:", "server.key"}},
		{"server certificate missing", "serve", file("server.pem", ""), []string{"server.pem"}},
		{"server key of another certificate", "serve", otherKey, []string{"server."}},
		{"proxy: server key of another certificate", "proxy", otherKey, []string{"server."}},
		{"issuer over http", "serve", set("issuer", "http://as.example"), []string{"serve.yaml:", "issuer"}},
		{"issuer with a query", "serve", set("issuer", "https://as.example?x"), []string{"serve.yaml:", "issuer"}},
		{"no issuer", "proxy", set("issuer", ""), []string{"proxy.yaml:", "issuer"}},
		{"no audience", "proxy", set("audience", ""), []string{"proxy.yaml:", "audience"}},
		{"no routes", "proxy", set("routes", []any{}), []string{"proxy.yaml:", "routes"}},
		{"route with an encoded slash", "proxy", set("routes", []any{map[string]any{"path": "/a%2Fb", "methods": []string{"GET"}, "scopes": []string{"x"}, "upstream": "http://127.0.0.1:1"}}), []string{"proxy.yaml:", "path"}},
		{"route without scopes", "proxy", set("routes", []any{map[string]any{"path": "/a", "methods": []string{"GET"}, "upstream": "http://127.0.0.1:1"}}), []string{"proxy.yaml:", "scopes"}},
		{"leeway too long", "proxy", set("leeway", "31s"), []string{"proxy.yaml:", "leeway"}},
		{"lifetime too long", "serve", set("token_lifetime", "61m"), []string{"serve.yaml:", "token_lifetime"}},
		{"unknown TLS version", "serve", set("tls", map[string]any{"certificate": "server.pem", "key": "server.key", "min_version": "1.1"}), []string{"serve.yaml:", "min_version"}},
		{"database that is none", "serve", file("site.db", strings.Repeat("not a database\n", 500)), []string{"site.db"}},
		{"database that is a directory", "serve", set("database", map[string]any{"path": "."}), []string{"database"}},
		{"no key-encryption key", "serve", file("kek", ""), []string{"kek"}},
		{"short key-encryption key", "serve", file("kek", "AAAA\n"), []string{"kek"}},
		{"key-encryption key for everybody to read", "serve", func(t *testing.T, s *harness.Site) {
			if err := os.Chmod(filepath.Join(s.Dir, "kek"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"kek"}},
		{"seed missing", "serve", set("seed", "nowhere.json"), []string{"nowhere.json"}},
		{"seed malformed", "serve", file("seed.json", "{"), []string{"seed.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := harness.NewSite(t, "http://127.0.0.1:1")
			c.spoil(t, site)
			serve, proxy := site.WriteConfigs(t)
			path := map[string]string{"serve": serve, "proxy": proxy}[c.command]
			result := harness.Run(t, c.command, "--config", path)
			if result.Code == 0 {
				t.Fatalf("it started\n%s", result.Stderr)
			}
			expectMentions(t, result.Stderr, c.wants...)
			if strings.Contains(result.Stderr, "panic") || strings.Contains(result.Stderr, "goroutine") {
				t.Errorf("it panicked:\n%s", result.Stderr)
			}
		})
	}
}

// TestWrongKeyEncryptionKey starts a site, exchanges its key-encryption key and
// starts again.
func TestWrongKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, "http://127.0.0.1:1")
	serve, _ := site.WriteConfigs(t)
	log := &harness.Log{}
	first := harness.StartProcess(t, log, "serve", "--config", serve)
	log.WaitFor(t, "listening", func(l harness.Line) bool { return l.Text("msg") == "listening" })
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	file("kek", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")(t, site)
	result := harness.Run(t, "serve", "--config", serve)
	if result.Code == 0 {
		t.Fatal("it started")
	}
	expectMentions(t, result.Stderr, "k1")
}

// set changes a setting of whichever configuration has it.
func set(name string, value any) func(*testing.T, *harness.Site) {
	return func(_ *testing.T, s *harness.Site) {
		for _, config := range []map[string]any{s.Serve, s.ProxyCfg} {
			config[name] = value
		}
	}
}

func file(name, content string) func(*testing.T, *harness.Site) {
	return func(t *testing.T, s *harness.Site) {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func otherKey(t *testing.T, s *harness.Site) {
	s.CA.Server(t).WriteFiles(t, s.Dir, "other")
	content, err := os.ReadFile(filepath.Join(s.Dir, "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	file("server.key", string(content))(t, s)
}

// TestNoCertificateByAnotherName shows that neither SNI nor Host chooses a laxer
// configuration.
func TestNoCertificateByAnotherName(t *testing.T) {
	clause.Covers(t, "RFC8705-2-b", "RFC9325-3-7")
	d, acme := victim(t)
	for _, name := range []string{"", "127.0.0.1", "evil.test", "localhost.", "xn--a.test"} {
		t.Run(fmt.Sprintf("SNI %q", name), func(t *testing.T) {
			for _, c := range []struct {
				req    harness.Request
				status int
			}{
				{d.TokenRequest(nil, harness.TokenForm("acme-billing").Encode()), http.StatusUnauthorized},
				{d.TokenRequest(&acme, harness.TokenForm("acme-billing").Encode()), http.StatusOK},
			} {
				c.req.TLS = func(config *tls.Config) { config.ServerName, config.InsecureSkipVerify = name, true }
				if resp := d.Send(t, c.req); resp.Status != c.status {
					t.Errorf("got %s, want %d", resp, c.status)
				}
			}
		})
	}
}
