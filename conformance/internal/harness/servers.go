package harness

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// Site is what `certbound serve` and `certbound proxy` need to run: files in one
// directory, on ports that were free a moment ago.
type Site struct {
	Dir             string
	Issuer, Proxy   string
	Serve, ProxyCfg map[string]any // the two configurations, to be changed by a test
	CA              *keystest.CA   // signs the server certificates
	Partners        *keystest.CA   // the one trust bundle, "partners"
}

// NewSite prepares a site with the clients "one" and "two" of bundle "partners",
// matched by the DNS names one.test and two.test, and the routes GET and POST
// /accounts to the upstream.
func NewSite(t testing.TB, upstream string) *Site {
	t.Helper()
	s := &Site{Dir: t.TempDir(), CA: keystest.NewCA(t, "servers"), Partners: keystest.NewCA(t, "site partners")}
	as, rs := FreePort(t), FreePort(t)
	s.Issuer, s.Proxy = "https://localhost:"+as, "https://localhost:"+rs
	s.CA.Server(t).WriteFiles(t, s.Dir, "server")
	s.CA.WriteFile(t, s.Dir, "ca")
	kek := make([]byte, 32)
	rand.Read(kek) // never fails
	s.write(t, "kek", base64.StdEncoding.EncodeToString(kek)+"\n")
	s.write(t, "seed.json", toJSON(s.seed("accounts:read accounts:write", "one", "two")))
	files := object{"certificate": "server.pem", "key": "server.key"}
	s.Serve = object{
		"version": 1, "issuer": s.Issuer, "listen": "127.0.0.1:" + as, "tls": files,
		"database": object{"path": "site.db"}, "seed": "seed.json",
		"keys": object{"active": "k1", "keks": []object{{"id": "k1", "file": "kek"}}},
	}
	route := func(method, scope string) object {
		return object{"path": "/accounts", "methods": []string{method}, "scopes": []string{scope}, "upstream": upstream}
	}
	s.ProxyCfg = object{
		"version": 1, "issuer": s.Issuer, "issuer_ca": "ca.pem", "audience": s.Proxy, "listen": "127.0.0.1:" + rs, "tls": files,
		"routes": []object{route("GET", "accounts:read"), route("POST", "accounts:write")},
	}
	return s
}

// Client mints a certificate for a client of the site.
func (s *Site) Client(t testing.TB, id string) keystest.Pair {
	t.Helper()
	return s.Partners.Client(t, keystest.DNS(id+".test"))
}

// WriteConfigs writes the two configurations and returns their paths.
func (s *Site) WriteConfigs(t testing.TB) (serve, proxy string) {
	t.Helper()
	return s.write(t, "serve.yaml", toJSON(s.Serve)), s.write(t, "proxy.yaml", toJSON(s.ProxyCfg))
}

// Start runs both servers and returns them as a Dev without what only dev has.
func (s *Site) Start(t testing.TB) *Dev {
	t.Helper()
	d, _, _ := s.StartBoth(t)
	return d
}

// StartBoth is Start for who also needs the processes.
func (s *Site) StartBoth(t testing.TB) (d *Dev, serve, proxy *Process) {
	t.Helper()
	d = s.Dev()
	serveFile, proxyFile := s.WriteConfigs(t)
	serve = StartProcess(t, d.Stderr, "serve", "--config", serveFile)
	d.waitListening(t, "authz")
	proxy = StartProcess(t, d.Stderr, "proxy", "--config", proxyFile)
	d.waitListening(t, "proxy")
	return d, serve, proxy
}

// Replace puts a file in the place of another by renaming, as tools that renew
// certificates do.
func (s *Site) Replace(t testing.TB, name, content string) {
	t.Helper()
	s.write(t, name+".new", content)
	if err := os.Rename(filepath.Join(s.Dir, name+".new"), filepath.Join(s.Dir, name)); err != nil {
		t.Fatal(err)
	}
}

// ReplaceConfigs is WriteConfigs while the servers run.
func (s *Site) ReplaceConfigs(t testing.TB) {
	t.Helper()
	s.Replace(t, "serve.yaml", toJSON(s.Serve))
	s.Replace(t, "proxy.yaml", toJSON(s.ProxyCfg))
}

// WriteJSON writes a file of the site, which is YAML too.
func (s *Site) WriteJSON(t testing.TB, name string, value object) (path string) {
	t.Helper()
	return s.write(t, name, toJSON(value))
}

// Follow lets the proxy follow the revocation feed, as the client "rs".
func (s *Site) Follow(t testing.TB) {
	t.Helper()
	seed := s.seed("accounts:read accounts:write", "one", "two")
	seed["apis"].([]object)[0]["resource_servers"] = []string{"rs"}
	seed["clients"] = append(seed["clients"].([]object), s.clientRecord("rs", ""))
	s.write(t, "seed.json", toJSON(seed))
	s.Client(t, "rs").WriteFiles(t, s.Dir, "rs")
	s.ProxyCfg["revocations"] = object{"client_id": "rs", "certificate": "rs.pem", "key": "rs.key"}
}

// seed is the registration of a site with the clients, each with the scope.
func (s *Site) seed(scope string, clients ...string) object {
	records := make([]object, len(clients))
	for i, id := range clients {
		records[i] = s.clientRecord(id, scope)
	}
	return object{
		"partners":      []object{{"id": "p", "name": "P"}},
		"trust_bundles": []object{{"name": "partners", "anchors": string(s.Partners.CertPEM())}},
		"apis":          []object{{"id": "accounts", "audience": s.Proxy, "scopes": []string{"accounts:read", "accounts:write"}}},
		"clients":       records,
	}
}

func (s *Site) clientRecord(id, scope string) object {
	record := object{"client_id": id, "partner_id": "p", "token_endpoint_auth_method": "tls_client_auth",
		"tls_client_auth_san_dns": id + ".test", "trust_bundle": "partners"}
	if scope != "" {
		record["scope"] = scope
	}
	return record
}

// Seed writes the registration anew, of which the running server takes notice:
// with these clients and the present Partners.
func (s *Site) Seed(t testing.TB, clients ...string) {
	t.Helper()
	s.Replace(t, "seed.json", toJSON(s.seed("accounts:read accounts:write", clients...)))
}

// StartProxy runs the proxy alone: its issuer cannot be reached.
func (s *Site) StartProxy(t testing.TB) *Dev {
	t.Helper()
	d := s.Dev()
	_, proxy := s.WriteConfigs(t)
	StartProcess(t, d.Stderr, "proxy", "--config", proxy)
	d.waitListening(t, "proxy")
	return d
}

// StartWith runs the authorization server alone, with more flags.
func (s *Site) StartWith(t testing.TB, flags ...string) *Dev {
	t.Helper()
	d := s.Dev()
	serve, _ := s.WriteConfigs(t)
	StartProcess(t, d.Stderr, append([]string{"serve", "--config", serve}, flags...)...)
	d.waitListening(t, "authz")
	return d
}

// StartProxy runs one more proxy in front of the API of a dev, which has learned
// nothing yet, and returns it as a Dev without what only dev has. It follows no
// revocations.
func (d *Dev) StartProxy(t testing.TB) *Dev {
	t.Helper()
	port := FreePort(t)
	config := filepath.Join(t.TempDir(), "proxy.yaml")
	text := toJSON(object{
		"version": 1, "issuer": d.Issuer, "issuer_ca": d.Path(d.CA), "audience": d.Audience, "listen": "127.0.0.1:" + port,
		"tls":    object{"certificate": d.Path("pki/server.pem"), "key": d.Path("pki/server.key")},
		"routes": []object{{"path": "/accounts", "methods": []string{"GET"}, "scopes": []string{"accounts:read"}, "upstream": d.Upstream.URL}},
	})
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &Dev{Dir: d.Dir, Stderr: &Log{}, Stdout: &Log{}, roots: d.roots}
	p.Issuer, p.Proxy, p.Audience = d.Issuer, "https://localhost:"+port, d.Audience
	StartProcess(t, p.Stderr, "proxy", "--config", config)
	p.waitListening(t, "proxy")
	return p
}

// Dev is how tests talk to the site, whoever runs its servers.
func (s *Site) Dev() *Dev {
	d := &Dev{Dir: s.Dir, Stderr: &Log{}, Stdout: &Log{}, roots: s.CA.Pool()}
	d.Issuer, d.Proxy, d.Audience = s.Issuer, s.Proxy, s.Proxy
	d.TokenEndpoint, d.JWKSURI = s.Issuer+"/oauth2/token", s.Issuer+"/.well-known/jwks.json"
	return d
}

func (d *Dev) waitListening(t testing.TB, listener string) {
	t.Helper()
	d.Stderr.WaitFor(t, "listening "+listener, func(l Line) bool {
		return l.Text("msg") == "listening" && l.Text("listener") == listener
	})
}

// Roots are the CAs of the server certificates.
func (d *Dev) Roots() *x509.CertPool { return d.roots }

func (s *Site) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// toJSON is also YAML, one member a line so that an error's line means something.
func toJSON(value object) string {
	out, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		panic(err)
	}
	return string(out) + "\n"
}

// Ports below those that systems give to who asks for any (IANA begins at 49152,
// Linux at 32768): a test that listens at port 0 beside us must not get ours.
const (
	firstPort = 20000
	lastPort  = 32000
)

// nextPort begins anywhere, as other packages are tested at the same time.
var nextPort = func() *atomic.Int64 {
	next := new(atomic.Int64)
	next.Store(mathrand.Int64N(lastPort - firstPort))
	return next
}()

// FreePort is a port of the loopback that was free a moment ago, and another each
// time: for a server that has to come back at the same address.
func FreePort(t testing.TB) string {
	t.Helper()
	for range lastPort - firstPort {
		port := fmt.Sprint(firstPort + nextPort.Add(1)%(lastPort-firstPort))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = listener.Close() // it was only asked whether it can be had
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}
