package conformance

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// publisher is a partner's server with a JWK set: a real one, over TLS.
type publisher struct {
	server *httptest.Server
	hits   atomic.Int64
	mu     sync.Mutex
	answer string
}

// newPublisher listens on loopback with the certificate in two files, which need
// not be there before it is called.
func newPublisher(t *testing.T, certFile, keyFile string) *publisher {
	t.Helper()
	p := &publisher{answer: `{"keys":[]}`}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.hits.Add(1)
		if r.URL.Path == "/elsewhere" {
			http.Redirect(w, r, "/jwks", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		p.mu.Lock()
		defer p.mu.Unlock()
		_, _ = io.WriteString(w, p.answer)
	}))
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &cert, err
	}}
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	return p
}

func (p *publisher) url(path string) string {
	return "https://localhost:" + p.server.URL[strings.LastIndexByte(p.server.URL, ':')+1:] + path
}

// publish puts the certificates into the set, beside a key for another purpose.
func (p *publisher) publish(t *testing.T, pairs ...keystest.Pair) {
	t.Helper()
	keys := []map[string]any{{"kty": "oct", "use": "enc", "kid": "another purpose", "k": "AAAA"}}
	for _, pair := range pairs {
		keys = append(keys, harness.CertificateJWK(pair))
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = string(text)
}

func publishingClient(id, uri string) map[string]any {
	return map[string]any{
		"client_id": id, "partner_id": "publishers", "token_endpoint_auth_method": "self_signed_tls_client_auth",
		"jwks_uri": uri, "scope": "accounts:read",
	}
}

func writeSeed(t *testing.T, clients ...map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"partners": []map[string]any{{"id": "publishers"}}, "clients": clients})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seed.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPublishedCertificates follows a partner that rotates what it publishes, on
// connections that stay open, until its server is gone and ours has restarted.
func TestPublishedCertificates(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7591-2-b", "RFC8705-2-2-2", "RFC8705-2-2-a")
	dir := t.TempDir()
	partner := newPublisher(t, filepath.Join(dir, "pki", "server.pem"), filepath.Join(dir, "pki", "server.key"))
	one, two, three, unknown := keystest.SelfSigned(t), keystest.SelfSigned(t), keystest.SelfSigned(t), keystest.SelfSigned(t)
	partner.publish(t, one, two)
	seed := writeSeed(t, publishingClient("rotating", partner.url("/jwks")))
	d := harness.StartIn(t, dir, "--seed", seed)
	stopped := false
	t.Cleanup(func() {
		if stopped {
			return
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})

	asFirst := d.HTTPClient(t, &one, nil) // one connection to the authorization server
	post := func() *harness.Response {
		request := d.TokenRequest(&one, harness.TokenForm("rotating").Encode())
		request.Client = asFirst
		return d.Send(t, request)
	}
	eventually(t, "the first set is read", func() bool { return post().Status == http.StatusOK })
	hold := func(pair keystest.Pair) *caller {
		c := &caller{d: d, pair: pair, client: d.HTTPClient(t, &pair, nil)}
		c.token = d.Token(t, &pair, harness.TokenForm("rotating")).AccessToken
		if response := c.call(t); response.Status != http.StatusOK {
			t.Fatalf("%s", response)
		}
		return c
	}
	first, second := hold(one), hold(two)
	expectRefusal(t, d, d.PostToken(t, &unknown, harness.TokenForm("rotating")), unbelieved("certificate_not_registered"))

	t.Run("a changed set takes effect", func(t *testing.T) {
		partner.publish(t, two, three)
		// Its showing the new certificate is what makes us look.
		eventually(t, "the new certificate", func() bool {
			if response := second.call(t); response.Status != http.StatusOK {
				t.Fatalf("a token of a certificate that stays was refused: %s", response)
			}
			return d.PostToken(t, &three, harness.TokenForm("rotating")).Status == http.StatusOK
		})
		expectRefusal(t, d, post(), unbelieved("certificate_not_registered"))
		if why := first.ends(t); why != "certificate_revoked" {
			t.Errorf("the removed certificate's token is refused with %s", why)
		}
		if active := introspected(t, d, first.token); len(active) != 1 || active["active"] != false {
			t.Errorf("introspection %v", active)
		}
		if response := second.call(t); response.Status != http.StatusOK {
			t.Errorf("a token of a certificate that stays: %s", response)
		}
	})

	t.Run("the last good one is kept over a restart, and the failure is reported", func(t *testing.T) {
		partner.server.Close()
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		stopped = true
		d = harness.StartIn(t, dir, "--seed", seed)
		stopped = false
		if response := d.PostToken(t, &two, harness.TokenForm("rotating")); response.Status != http.StatusOK {
			t.Errorf("%s", response)
		}
		expectRefusal(t, d, d.PostToken(t, &one, harness.TokenForm("rotating")), unbelieved("certificate_not_registered"))
		eventually(t, "the failure is known", func() bool {
			d.PostToken(t, &unknown, harness.TokenForm("rotating"))
			return strings.Contains(mustAdmin(t, d, "client", "list"), "jwks_uri fails")
		})
		expectMentions(t, mustAdmin(t, d, "client", "show", "rotating"), partner.url("/jwks"), "failed", "connection refused")
		line := d.Stderr.WaitFor(t, "key_set_failed", func(l harness.Line) bool { return l.Text("msg") == "key_set_failed" })
		if line.Text("client_id") != "rotating" || line.Text("partner") != "publishers" || line.Text("last_good") == "never" {
			t.Errorf("logged %v", line)
		}
		if d.PostToken(t, &two, harness.TokenForm("rotating")).Status != http.StatusOK {
			t.Error("the last good set is not kept")
		}
	})
	t.Run("an auditor sees what came and went", func(t *testing.T) {
		events := mustAdmin(t, d, "audit", "list", "--client", "rotating", "-o", "json")
		expectMentions(t, events, "key_set.changed", "key_set.failed", thumbprintOf(one), thumbprintOf(three))
	})
}

// TestRegisteredAddressesLeadNowhere: a jwks_uri cannot make the server call what
// it must not.
func TestRegisteredAddressesLeadNowhere(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7591-5")
	site := harness.NewSite(t, "http://127.0.0.1:1")
	partner := newPublisher(t, filepath.Join(site.Dir, "server.pem"), filepath.Join(site.Dir, "server.key"))
	start := func(t *testing.T, allowed []string) *harness.Log {
		site.Serve["fetch"] = map[string]any{"roots": "ca.pem", "allow_private": allowed}
		site.Serve["seed"] = writeSeedFile(t, site, publishingClient("loopback", partner.url("/jwks")),
			publishingClient("metadata", "https://169.254.169.254/latest/meta-data"), publishingClient("redirected", partner.url("/elsewhere")))
		log := &harness.Log{}
		serve, _ := site.WriteConfigs(t)
		harness.StartProcess(t, log, "serve", "--config", serve)
		return log
	}
	failure := func(t *testing.T, log *harness.Log, id string) string {
		return log.WaitFor(t, id, func(l harness.Line) bool {
			return l.Text("msg") == "key_set_failed" && l.Text("client_id") == id
		}).Text("detail")
	}
	t.Run("own network", func(t *testing.T) {
		log := start(t, []string{})
		for id, why := range map[string]string{"loopback": "loopback", "metadata": "link-local", "redirected": "loopback"} {
			expectMentions(t, failure(t, log, id), "is not an address of the public internet", why)
		}
		if n := partner.hits.Load(); n != 0 {
			t.Errorf("it was called %d times", n)
		}
	})
	t.Run("allowed", func(t *testing.T) {
		if err := os.Remove(filepath.Join(site.Dir, "site.db")); err != nil {
			t.Fatal(err)
		}
		log := start(t, []string{"127.0.0.0/8", "::1/128"})
		expectMentions(t, failure(t, log, "redirected"), "no redirect is followed")
		expectMentions(t, failure(t, log, "metadata"), "is not an address of the public internet")
		eventually(t, "the allowed one is called", func() bool { return partner.hits.Load() >= 2 })
	})
}

// writeSeedFile puts the clients into the site's directory and returns the name.
func writeSeedFile(t *testing.T, site *harness.Site, clients ...map[string]any) string {
	t.Helper()
	for _, c := range clients {
		delete(c, "scope") // this seed has no API
	}
	return writeSeed(t, clients...)
}

// TestJWKSAndJWKSURIExcludeEachOther, at the start and at `config validate`.
func TestJWKSAndJWKSURIExcludeEachOther(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7591-2-a")
	for name, c := range map[string]struct {
		change func(client map[string]any)
		want   string
	}{
		"both": {func(c map[string]any) {
			c["jwks"] = map[string]any{"keys": []any{harness.CertificateJWK(keystest.SelfSigned(t))}}
		}, "jwks and jwks_uri exclude each other (RFC 7591 §2)"},
		"over http":       {func(c map[string]any) { c["jwks_uri"] = "http://partner.example/jwks" }, "jwks_uri: fetch: not an https URL"},
		"with a password": {func(c map[string]any) { c["jwks_uri"] = "https://a:b@partner.example/jwks" }, "a URL with a user or a password"},
		"another method":  {func(c map[string]any) { c["token_endpoint_auth_method"] = "tls_client_auth" }, "jwks_uri belongs to self_signed_tls_client_auth"},
	} {
		t.Run(name, func(t *testing.T) {
			site := harness.NewSite(t, "http://127.0.0.1:1")
			client := publishingClient("one", "https://partner.example/jwks")
			c.change(client)
			site.Serve["seed"] = writeSeedFile(t, site, client)
			serve, _ := site.WriteConfigs(t)
			for _, args := range [][]string{{"config", "validate", serve}, {"serve", "--config", serve}} {
				if result := harness.Run(t, args...); result.Code == 0 || !strings.Contains(result.Stderr, c.want) {
					t.Errorf("certbound %v: code %d, %s", args, result.Code, result.Stderr)
				}
			}
		})
	}
}
