package conformance

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// eventually waits for a condition, which is asked often.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not come about: %s", what)
		}
	}
}

// open is one connection that is kept; a second one is a failure of the test.
type open struct {
	*http.Client
	dials atomic.Int64
}

func openConnection(t *testing.T, d *harness.Dev, pair *keystest.Pair, http2 bool) *open {
	t.Helper()
	c := &open{Client: d.HTTPClient(t, pair, nil)}
	transport := c.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = http2
	dialer := &tls.Dialer{Config: transport.TLSClientConfig.Clone()}
	if http2 {
		dialer.Config.NextProtos = []string{"h2"}
	}
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c.dials.Add(1)
		return dialer.DialContext(ctx, network, address)
	}
	return c
}

func (c *open) expectOne(t *testing.T) {
	t.Helper()
	if n := c.dials.Load(); n != 1 {
		t.Errorf("%d connections were made, want one that is kept", n)
	}
}

// path is GET of a path at the proxy with the token.
func path(d *harness.Dev, c *open, pair *keystest.Pair, token, path string) harness.Request {
	request := d.APIRequest(pair, token)
	request.URL, request.Client = d.Proxy+path, c.Client
	return request
}

func route(path, upstream string) map[string]any {
	return map[string]any{"path": path, "methods": []string{"GET"}, "scopes": []string{"accounts:read"}, "upstream": upstream}
}

// readyz is /readyz?verbose of the one process that has an ops listener.
func readyz(t *testing.T, d *harness.Dev) (status int, text string) {
	t.Helper()
	line := d.Stderr.WaitFor(t, "listening ops", func(l harness.Line) bool {
		return l.Text("msg") == "listening" && l.Text("listener") == "ops"
	})
	resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: "http://" + line.Text("address") + "/readyz?verbose"})
	return resp.Status, string(resp.Body)
}

// callers keep calling over connections of its own until stop, and report every
// answer that is not 200.
type callers struct {
	stop   chan struct{}
	calls  atomic.Int64
	work   sync.WaitGroup
	opened []*open
}

func startCallers(t *testing.T, d *harness.Dev, pair *keystest.Pair, token string) *callers {
	t.Helper()
	l := &callers{stop: make(chan struct{})}
	for i := range 4 {
		c := openConnection(t, d, pair, i%2 == 0)
		l.opened = append(l.opened, c)
		l.work.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				resp, err := d.Try(t, path(d, c, pair, token, "/accounts"))
				if err != nil || resp.Status != http.StatusOK {
					t.Errorf("a call during reloads: %v, %v", resp, err)
					return
				}
				l.calls.Add(1)
			}
		})
	}
	return l
}

func (l *callers) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.work.Wait()
	for _, c := range l.opened {
		c.expectOne(t)
	}
	t.Logf("%d calls", l.calls.Load())
}

// TestReloadUnderLoad adds and removes a route again and again while others call:
// no request fails, no connection ends, and what the open connection may do follows
// the configuration.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-12")
	upstream := newUpstream(t).URL
	site := harness.NewSite(t, upstream)
	site.Follow(t)
	d, _, proxy := site.StartBoth(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one", "scope", "accounts:read")).AccessToken
	eventually(t, "the feed is heard", func() bool { return d.CallAPI(t, &one, token).Status == http.StatusOK })

	load := startCallers(t, d, &one, token)
	without := site.ProxyCfg["routes"].([]map[string]any)
	with := append([]map[string]any{route("/extra", upstream)}, without...)
	c := openConnection(t, d, &one, true)
	extra := func() int { return d.Send(t, path(d, c, &one, token, "/extra")).Status }
	for i := range 20 {
		routes, want := with, http.StatusOK
		if i%2 == 1 {
			routes, want = without, http.StatusNotFound
		}
		site.ProxyCfg["routes"] = routes
		site.ReplaceConfigs(t)
		if i%3 == 0 { // otherwise the change alone must do
			proxy.Hangup(t)
		}
		eventually(t, fmt.Sprintf("/extra answers %d", want), func() bool { return extra() == want })
	}
	for range 20 { // rapidly, and without a change
		proxy.Hangup(t)
	}
	before := load.calls.Load()
	eventually(t, "the callers go on", func() bool { return load.calls.Load() > before+50 })
	load.end(t)
	c.expectOne(t)
	if strings.Contains(d.Stderr.String(), `"msg":"reload_failed"`) {
		t.Errorf("a reload failed:\n%s", d.Stderr)
	}
}

// TestReloadLetsRequestsFinish: a request that is under way ends by the
// configuration it began with, also when its route is gone.
func TestReloadLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" && r.URL.RawQuery == "" {
			close(arrived)
			<-release
		}
		_, _ = io.WriteString(w, "served")
	}))
	t.Cleanup(upstream.Close)
	site := harness.NewSite(t, upstream.URL)
	routes := site.ProxyCfg["routes"].([]map[string]any)
	site.ProxyCfg["routes"] = append([]map[string]any{route("/slow", upstream.URL)}, routes...)
	d := site.Start(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one", "scope", "accounts:read")).AccessToken
	slow, other := openConnection(t, d, &one, true), openConnection(t, d, &one, true)
	type result struct {
		resp *harness.Response
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		resp, err := d.Try(t, path(d, slow, &one, token, "/slow"))
		answered <- result{resp, err}
	}()
	<-arrived
	site.ProxyCfg["routes"] = routes
	site.ReplaceConfigs(t)
	for _, c := range []*open{other, slow} { // over the very connection too
		eventually(t, "the route is gone", func() bool {
			return d.Send(t, path(d, c, &one, token, "/slow?again")).Status == http.StatusNotFound
		})
	}
	close(release)
	if got := <-answered; got.err != nil || got.resp.Status != http.StatusOK {
		t.Errorf("the request under way: %v, %v", got.resp, got.err)
	}
	slow.expectOne(t)
}

// TestReloadKeepsWhatWorks: what is wrong with a new configuration is said with its
// place, by the log, by /readyz?verbose and by `config validate` alike, and the old
// one goes on, in service.
func TestReloadKeepsWhatWorks(t *testing.T) {
	t.Parallel()
	upstream := newUpstream(t).URL
	site := harness.NewSite(t, upstream)
	site.ProxyCfg["ops"] = map[string]any{"listen": "127.0.0.1:0"}
	d := site.Start(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
	_, good := site.WriteConfigs(t)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, old, new string
		wants          []string
		offline        bool // `config validate` says the same
	}{
		{"not YAML", `"routes": [`, `"routes": [[`, []string{"proxy.yaml:"}, true},
		{"unknown setting", `"routes"`, `"routez"`, []string{"proxy.yaml:", "routez"}, true},
		{"route without scopes", `"scopes"`, `"any_scope": false, "scopez"`, []string{"proxy.yaml:", "scopez"}, true},
		{"CA file that is not there", `"ca.pem"`, `"nowhere.pem"`, []string{"proxy.yaml:", "issuer_ca", "nowhere.pem"}, true},
		{"certificate that is not there", `"server.pem"`, `"nowhere.pem"`, []string{"proxy.yaml:", "tls.certificate", "nowhere.pem"}, true},
		{"another address", `"listen": "127.0.0.1:0"`, `"listen": "127.0.0.1:1"`, []string{"proxy.yaml:", "ops.listen", "restart"}, false},
		{"another minimum version", `"key": "server.key"`, `"key": "server.key", "min_version": "1.2"`, []string{"proxy.yaml:", "tls.min_version", "restart"}, false},
		{"an issuer that does not answer", `"issuer": "https://localhost:`, `"issuer": "https://127.0.0.1:`, []string{"proxy.yaml:", "issuer", "keys"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken := strings.Replace(string(text), c.old, c.new, 1)
			if broken == string(text) {
				t.Fatal("nothing is broken")
			}
			site.Replace(t, "proxy.yaml", broken)
			var report string
			eventually(t, "verbose says degraded", func() bool {
				var status int
				if status, report = readyz(t, d); status != http.StatusOK {
					t.Fatalf("out of service: %d %s", status, report)
				}
				return strings.Contains(report, "degraded: reload")
			})
			expectMentions(t, report, c.wants...)
			if resp := d.CallAPI(t, &one, token); resp.Status != http.StatusOK {
				t.Errorf("the old configuration is not in force: %s", resp)
			}
			if result := harness.Run(t, "config", "validate", "--process", "proxy", good); (result.Code != 0) != c.offline {
				t.Errorf("config validate: code %d, %s", result.Code, result.Stderr)
			}
			site.Replace(t, "proxy.yaml", string(text))
			eventually(t, "all is well", func() bool {
				_, report := readyz(t, d)
				return strings.Contains(report, "[+] reload") && !strings.Contains(report, "degraded")
			})
		})
	}
	for _, line := range failures(d) {
		if problems, _ := line["problems"].([]any); len(problems) == 0 {
			t.Errorf("a failed reload without problems: %v", line)
		}
	}
}

// failures are the log lines of reloads that failed.
func failures(d *harness.Dev) (all []harness.Line) { return d.Stderr.All("reload_failed") }

// TestReloadServerCertificate: new connections get the new certificate, whichever
// way the files are replaced; open ones go on with the old.
func TestReloadServerCertificate(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(t *testing.T, s *harness.Site, pair keystest.Pair){
		"by renaming":          byRenaming,
		"by a swapped symlink": bySymlink,
	} {
		t.Run(name, func(t *testing.T) {
			site := harness.NewSite(t, newUpstream(t).URL)
			mounted(t, site)
			d := site.Start(t)
			one := site.Client(t, "one")
			token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
			c := openConnection(t, d, &one, true)
			first := d.Send(t, path(d, c, &one, token, "/accounts"))
			next := site.CA.Server(t)
			replace(t, site, next)
			for _, address := range []string{d.JWKSURI, d.Proxy + "/accounts"} {
				eventually(t, "the new certificate at "+address, func() bool {
					resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: address})
					return resp.TLS.PeerCertificates[0].Equal(next.Cert)
				})
			}
			again := d.Send(t, path(d, c, &one, token, "/accounts"))
			if again.Status != http.StatusOK || !again.TLS.PeerCertificates[0].Equal(first.TLS.PeerCertificates[0]) {
				t.Errorf("the open connection: %s", again)
			}
			c.expectOne(t)
		})
	}
}

// mounted lays the server's certificate out as Kubernetes mounts a secret.
func mounted(t *testing.T, s *harness.Site) {
	t.Helper()
	dir := filepath.Join(s.Dir, "secret")
	if err := os.MkdirAll(filepath.Join(dir, "..1"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.CA.Server(t).WriteFiles(t, filepath.Join(dir, "..1"), "server")
	link(t, "..1", filepath.Join(dir, "..data"))
	for _, name := range []string{"server.pem", "server.key"} {
		link(t, filepath.Join("..data", name), filepath.Join(dir, name))
	}
	files := map[string]any{"certificate": "secret/server.pem", "key": "secret/server.key"}
	s.Serve["tls"], s.ProxyCfg["tls"] = files, files
}

// link makes a symbolic link, in the place of another one.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func bySymlink(t *testing.T, s *harness.Site, pair keystest.Pair) {
	dir := filepath.Join(s.Dir, "secret")
	if err := os.Mkdir(filepath.Join(dir, "..2"), 0o700); err != nil {
		t.Fatal(err)
	}
	pair.WriteFiles(t, filepath.Join(dir, "..2"), "server")
	link(t, "..2", filepath.Join(dir, "..data"))
}

func byRenaming(t *testing.T, s *harness.Site, pair keystest.Pair) {
	dir := filepath.Join(s.Dir, "secret")
	pair.WriteFiles(t, dir, "next")
	for _, suffix := range []string{".key", ".pem"} {
		if err := os.Rename(filepath.Join(dir, "next"+suffix), filepath.Join(dir, "server"+suffix)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReloadTrust: a trust bundle that is replaced, by a changed seed or by another
// process of the same database, is in force on the open connection without a
// signal.
func TestReloadTrust(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-12")
	site := harness.NewSite(t, newUpstream(t).URL)
	d := site.Start(t)
	one := site.Client(t, "one")
	c := openConnection(t, d, &one, true)
	ask := func() *harness.Response {
		request := d.TokenRequest(&one, harness.TokenForm("one").Encode())
		request.Client = c.Client
		return d.Send(t, request)
	}
	if resp := ask(); resp.Status != http.StatusOK {
		t.Fatalf("before: %s", resp)
	}
	old := site.Partners
	site.Partners = keystest.NewCA(t, "the next CA")
	site.Seed(t, "one", "two")
	eventually(t, "certificates of the retired bundle are refused", func() bool { return ask().Status == http.StatusUnauthorized })
	refused := ask()
	expectRefusal(t, d, refused, unbelieved("retired_bundle"))
	next := site.Client(t, "one")
	d.Token(t, &next, harness.TokenForm("one"))

	site.Partners = old
	startSecond(t, site)
	eventually(t, "the old bundle is back", func() bool { return ask().Status == http.StatusOK })
	c.expectOne(t)
}

// startSecond runs another server on the database of a site, which brings it to
// the site's present Partners by a seed of its own.
func startSecond(t *testing.T, site *harness.Site) {
	t.Helper()
	second := maps.Clone(site.Serve)
	second["listen"], second["seed"] = "127.0.0.1:0", "second.json"
	second["audit"] = map[string]any{"instance": "second"}
	site.WriteJSON(t, "second.json", map[string]any{
		"trust_bundles": []map[string]any{{"name": "partners", "anchors": string(site.Partners.CertPEM())}},
	})
	log := &harness.Log{}
	harness.StartProcess(t, log, "serve", "--config", site.WriteJSON(t, "second.yaml", second))
	log.WaitFor(t, "listening", func(l harness.Line) bool { return l.Text("msg") == "listening" })
}

// TestReloadFollower: the proxy's client certificate is renewed, and a bad one does
// not replace a good one.
func TestReloadFollower(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, newUpstream(t).URL)
	site.Follow(t)
	site.ProxyCfg["ops"] = map[string]any{"listen": "127.0.0.1:0"}
	d, _, proxy := site.StartBoth(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
	eventually(t, "the feed is heard", func() bool { return d.CallAPI(t, &one, token).Status == http.StatusOK })

	load := startCallers(t, d, &one, token)
	reloads := len(d.Stderr.All("reloaded"))
	site.Client(t, "rs").WriteFiles(t, site.Dir, "rs")
	proxy.Hangup(t)
	eventually(t, "it follows by the new certificate", func() bool { return len(d.Stderr.All("reloaded")) > reloads })
	keystest.NewCA(t, "strangers").Client(t, keystest.DNS("rs.test")).WriteFiles(t, site.Dir, "rs")
	proxy.Hangup(t)
	eventually(t, "a certificate that nobody knows is not put in force", func() bool {
		_, report := readyz(t, d)
		return strings.Contains(report, "degraded: reload") && strings.Contains(report, "revocations")
	})
	load.end(t)
}

// TestLoweredSecurityIsSaid: half of a configuration is read in place of the whole,
// and what it no longer protects by is said.
func TestLoweredSecurityIsSaid(t *testing.T) {
	site := harness.NewSite(t, "http://127.0.0.1:1")
	site.ProxyCfg["rate_limits"] = map[string]any{"client": map[string]any{"requests": 5}}
	d := site.StartProxy(t)
	delete(site.ProxyCfg, "rate_limits")
	site.ReplaceConfigs(t)
	line := d.Stderr.WaitFor(t, "security_lowered", func(l harness.Line) bool { return l.Text("msg") == "security_lowered" })
	if line.Text("level") != "WARN" || line.Text("detail") != "rate_limits.client: taken away" {
		t.Errorf("said %v", line)
	}
}
