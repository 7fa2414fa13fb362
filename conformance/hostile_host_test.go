package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestNameInTheHandshakeChoosesNothing: whatever name a client asks for, at each
// listener, the rules of the handshake are the same.
func TestNameInTheHandshakeChoosesNothing(t *testing.T) {
	d, acme := victim(t)
	cert := acme.TLS()
	for _, target := range []string{d.Issuer, d.Proxy, d.Admin} {
		for _, name := range []string{"localhost", "", "LOCALHOST", "localhost.", "evil.test", "internal", "*.test", "xn--a", strings.Repeat("a.", 100) + "test", "a_b"} {
			t.Run(hostOf(t, target)+" "+name, func(t *testing.T) {
				asked := false
				config := &tls.Config{
					ServerName: name, InsecureSkipVerify: true, //nolint:gosec // the name is what is tested
					GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
						asked = true
						if len(info.AcceptableCAs) > 0 {
							t.Errorf("it names %d authorities", len(info.AcceptableCAs))
						}
						return &cert, nil
					},
				}
				conn, err := tls.Dial("tcp", hostOf(t, target), config)
				if err != nil {
					return // refusing the name is fine
				}
				defer conn.Close()
				if state := conn.ConnectionState(); state.Version != tls.VersionTLS13 || !asked {
					t.Errorf("version %x, certificate asked for: %t", state.Version, asked)
				}
				old := config.Clone()
				old.MaxVersion = tls.VersionTLS12
				if conn, err := tls.Dial("tcp", hostOf(t, target), old); err == nil {
					conn.Close()
					t.Error("TLS 1.2 is spoken for this name")
				}
			})
		}
	}
}

// TestHostChoosesNoOtherRoutesPolicy: two hosts of one proxy, one of which asks for
// a scope that the caller lacks. No way to write the host reaches its upstream.
func TestHostChoosesNoOtherRoutesPolicy(t *testing.T) {
	t.Parallel()
	// What arrived, by the number in the query: a request whose caller has gone may
	// arrive after the next one.
	var guarded, open sync.Map
	upstream := func(hits *sync.Map) string {
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hits.Store(r.URL.RawQuery, true) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	site := harness.NewSite(t, upstream(&open))
	with := func(host, scope, upstream string) map[string]any {
		return map[string]any{"hosts": []string{host}, "path": "/accounts", "methods": []string{"GET"}, "scopes": []string{scope}, "upstream": upstream}
	}
	address := upstream(&guarded)
	site.ProxyCfg["routes"] = []map[string]any{
		with("guarded.test", "accounts:write", address), with("*.guarded.test", "accounts:write", address), with("open.test", "accounts:read", upstream(&open)),
	}
	d := site.Start(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one", "scope", "accounts:read")).AccessToken
	roots := x509.NewCertPool()
	roots.AddCert(site.CA.Cert)
	cert := one.TLS()
	hosts := []string{
		"guarded.test", "GUARDED.test", "guarded.test:443", "guarded.test:1", "guarded.test.", "x.guarded.test", "open.test@guarded.test", "guarded.test@open.test", "guarded.test, open.test",
		"open.test", "OPEN.TEST", "open.test:443", "open.test.", "open.test/guarded.test", "open.test#guarded.test", "open.test\tguarded.test", "[open.test]", "open.test:443:443", "ope%6e.test", "", "localhost",
	}
	sent, misdirected := 0, map[string]string{}
	for _, name := range []string{"", "open.test", "guarded.test", "evil.test"} {
		config := &tls.Config{
			ServerName: name, InsecureSkipVerify: true, RootCAs: roots, //nolint:gosec // the name is what is tested
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
		}
		for _, host := range hosts {
			line := fmt.Sprintf("Host: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", host, token)
			for shape, raw := range map[string]string{
				"plain": "GET /accounts?NUMBER HTTP/1.1\r\n" + line, "two hosts": "GET /accounts?NUMBER HTTP/1.1\r\nHost: open.test\r\n" + line, "the other one first": "GET /accounts?NUMBER HTTP/1.1\r\nX-Forwarded-Host: guarded.test\r\nForwarded: host=guarded.test\r\n" + line,
				"absolute, guarded": "GET https://guarded.test/accounts?NUMBER HTTP/1.1\r\n" + line, "absolute, open": "GET https://open.test/accounts?NUMBER HTTP/1.1\r\n" + line, "HTTP/1.0": "GET /accounts?NUMBER HTTP/1.0\r\n" + line,
				"user in the target": "GET https://open.test@guarded.test/accounts?NUMBER HTTP/1.1\r\n" + line,
			} {
				sent++
				number := fmt.Sprintf("n=%d", sent)
				status := answered(t, hostOf(t, site.Proxy), config, strings.ReplaceAll(raw, "NUMBER", number))
				said := fmt.Sprintf("SNI %q, host %q, %s: %d", name, host, shape, status)
				// A request that names another host than the handshake is nobody's.
				if name != "" && !strings.EqualFold(name, "open.test") {
					misdirected[number] = said
				}
				if _, reached := guarded.Load(number); reached {
					t.Fatal(said + ", and the guarded API was reached")
				}
			}
		}
	}
	guarded.Range(func(number, _ any) bool {
		if strings.HasPrefix(number.(string), "n=") { // another test's may have had the port before
			t.Errorf("request %v reached the guarded API", number)
		}
		return true
	})
	served := 0
	open.Range(func(number, _ any) bool {
		served++
		if said, wrong := misdirected[number.(string)]; wrong {
			t.Error(said + ", and the open API was reached")
		}
		return true
	})
	if served == 0 {
		t.Error("no request was served at all")
	}
}
