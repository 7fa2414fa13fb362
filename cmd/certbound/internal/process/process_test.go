package process_test

import (
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
	"github.com/certbound/certbound/keys/keystest"
)

// files is a directory with everything both processes need.
func files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	authority := keystest.NewCA(t, "servers")
	authority.Server(t, keystest.DNS("localhost")).WriteFiles(t, dir, "server")
	write(t, dir, "ca.pem", string(authority.CertPEM()))
	write(t, dir, "kek", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	return dir
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var options = process.Options{Logger: slog.New(slog.DiscardHandler)}

const serveYAML = `version: 1
issuer: https://localhost:8443
tls:
  certificate: server.pem
  key: server.key
database:
  path: certbound.db
keys:
  active: k1
  keks:
    - {id: k1, file: kek}
`

func TestNewAuthz(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string            // a change of the configuration
		files    map[string]string // more files
		want     string            // "" when it starts; begins with FILE for the configuration, DIR for its directory
	}{
		{name: "starts"},
		{
			name: "no certificate", old: "server.pem", new: "none.pem",
			want: `FILE:4:16: tls.certificate: servertls: certificate file "DIR/none.pem": no such file or directory`,
		},
		{
			name: "no key-encryption key", old: "file: kek", new: "file: none",
			want: `FILE:11:22: keys.keks[0].file: read key-encryption key: open DIR/none: no such file or directory`,
		},
		{
			name: "a key-encryption key that is none", files: map[string]string{"kek": "secret"},
			want: `FILE:11:22: keys.keks[0].file: not a key-encryption key file: DIR/kek: `,
		},
		{
			name: "a database that is none", files: map[string]string{"certbound.db": strings.Repeat("not a database ", 100)},
			want: `FILE:7:9: database.path: sqlite: `,
		},
		{
			name: "a database where no directory is", old: "certbound.db", new: "none/certbound.db",
			want: `FILE:7:9: database.path: sqlite: `,
		},
		{
			name: "a seed that is none", old: "database:", new: "seed: seed.yaml\ndatabase:", files: map[string]string{"seed.yaml": "partnres: []\n"},
			want: `FILE:6:7: seed: DIR/seed.yaml:1:1: unknown field "partnres"`,
		},
		{
			name: "a seed with a malformed CA", old: "database:", new: "seed: seed.yaml\ndatabase:",
			files: map[string]string{"seed.yaml": "trust_bundles: [{name: partners, anchors: hello}]\n"},
			want:  `FILE:6:7: seed: DIR/seed.yaml:1:34: trust_bundles[0] "partners": trust: `,
		},
		{
			name: "a seed with two mistakes", old: "database:", new: "seed: seed.yaml\ndatabase:",
			files: map[string]string{"seed.yaml": "partners:\n  - id: a b\nclients:\n  - client_id: x\n    partner_id: acme\n    scope: a  b\n    token_endpoint_auth_method: secret\n"},
			want: `FILE:6:7: seed: DIR/seed.yaml:2:5: partners[0] "a b": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -
FILE:6:7: seed: DIR/seed.yaml:6:5: clients[0] "x": scope does not follow the grammar of RFC 6749 §3.3
FILE:6:7: seed: DIR/seed.yaml:7:5: clients[0] "x": token_endpoint_auth_method must be tls_client_auth or self_signed_tls_client_auth`,
		},
		{
			name: "a seed that refers to nothing", old: "database:", new: "seed: seed.yaml\ndatabase:",
			files: map[string]string{"seed.yaml": "apis: [{id: a, audience: 'https://a', scopes: [s], resource_servers: [nobody]}]\n"},
			want:  `FILE:6:7: seed: DIR/seed.yaml:1:9: apis[0] "a": storage: conflict: `,
		},
		{
			name: "an issuer with a slash at its end", old: "localhost:8443", new: "localhost:8443/a/",
			want: `FILE:2:9: issuer: "https://localhost:8443/a/" ends in a slash; leave it out`,
		},
		{
			name: "all at once", old: "server.pem\n  key: server.key\ndatabase:", new: "none.pem\n  key: none.key\nseed: none.yaml\ndatabase:",
			want: `FILE:4:16: tls.certificate: servertls: certificate file "DIR/none.pem": no such file or directory
FILE:6:7: seed: open DIR/none.yaml: no such file or directory`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := files(t)
			for name, text := range tt.files {
				write(t, dir, name, text)
			}
			file := write(t, dir, "serve.yaml", strings.Replace(serveYAML, tt.old, tt.new, 1))
			c, _, err := config.LoadServe(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			authz, err := process.NewAuthz(t.Context(), c, options)
			if err == nil {
				if err := authz.Checks[0].Probe(t.Context()); err != nil {
					t.Errorf("not ready: %v", err)
				}
				if err := authz.Close(); err != nil {
					t.Error(err)
				}
			}
			check(t, dir, "serve.yaml", err, tt.want)
		})
	}
}

const proxyYAML = `version: 1
tls: {certificate: server.pem, key: server.key}
issuer: https://localhost:8443
issuer_ca: ca.pem
audience: https://api.test
routes:
  - path: /accounts
    methods: [GET]
    scopes: ["accounts:read"]
    upstream: https://127.0.0.1:9000
upstream_ca: ca.pem
`

func TestNewProxy(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{name: "starts"},
		{
			"no CA for the issuer", "issuer_ca: ca.pem", "issuer_ca: none.pem",
			"FILE:4:12: issuer_ca: DIR/none.pem: no such file or directory",
		},
		{
			"a CA file that is none", "issuer_ca: ca.pem", "issuer_ca: server.pem",
			`FILE:4:12: issuer_ca: DIR/server.pem:1:1: the certificate of "CN=`,
		},
		{
			"an empty CA file for the upstream", "upstream_ca: ca.pem", "upstream_ca: empty.pem",
			"FILE:11:14: upstream_ca: DIR/empty.pem:1:1: no CA certificate in PEM form",
		},
		{
			"both", "issuer_ca: ca.pem", "issuer_ca: kek\nrealm: accounts",
			"FILE:4:12: issuer_ca: DIR/kek:1:1: no CA certificate in PEM form",
		},
		{
			"a realm that would break out", "audience:", "realm: \"a\\nb\"\naudience:",
			"starting the proxy: resource: Realm \"a\\nb\" is not printable ASCII",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := files(t)
			write(t, dir, "empty.pem", "")
			file := write(t, dir, "proxy.yaml", strings.Replace(proxyYAML, tt.old, tt.new, 1))
			c, _, err := config.LoadProxy(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = process.NewProxy(c, options)
			check(t, dir, "proxy.yaml", err, tt.want)
		})
	}
}

// The bound for bodies reaches the proxy: a body announced as too large is
// refused before anybody looks for a token.
func TestNewProxyBoundsBodies(t *testing.T) {
	for setting, want := range map[string]int{"": 401, "max_body_bytes: 5\n": 401, "max_body_bytes: 4\n": 413} {
		dir := files(t)
		file := write(t, dir, "proxy.yaml", strings.Replace(proxyYAML, "[GET]", "[POST]", 1)+setting)
		c, _, err := config.LoadProxy(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := process.NewProxy(c, options)
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		p.Server.Handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "POST", "/accounts", strings.NewReader("12345")))
		if rec.Code != want {
			t.Errorf("%q: a body of 5 bytes got %d, want %d", setting, rec.Code, want)
		}
	}
}

// check compares the beginning of an error: how it goes on is another room's.
func check(t *testing.T, dir, name string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("it does not start: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("it starts; want %s", want)
	}
	got := strings.ReplaceAll(err.Error(), filepath.Join(dir, name), "FILE")
	got = strings.ReplaceAll(got, dir, "DIR")
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A database whose rows another key-encryption key sealed stops the start.
func TestNewAuthzWithAnotherKEK(t *testing.T) {
	dir := files(t)
	file := write(t, dir, "serve.yaml", serveYAML)
	c, _, err := config.LoadServe(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	authz, err := process.NewAuthz(t.Context(), c, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := authz.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "kek", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	_, err = process.NewAuthz(t.Context(), c, options)
	check(t, dir, "serve.yaml", err, "FILE:8:1: keys: cannot open the envelope of ")
}

// The clock of the options is the one the parts work by.
func TestNewAuthzTakesTheClock(t *testing.T) {
	dir := files(t)
	c, _, err := config.LoadServe(write(t, dir, "serve.yaml", serveYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Bool // work in the background asks too
	o := options
	o.Clock = func() time.Time { asked.Store(true); return time.Now() }
	authz, err := process.NewAuthz(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := authz.Close(); err != nil || !asked.Load() {
		t.Errorf("close: %v, clock asked: %v", err, asked.Load())
	}
}

// The sample seed starts a server as it stands.
func TestSeedExample(t *testing.T) {
	dir := files(t)
	seed, err := filepath.Abs("../../../../examples/seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := config.LoadServe(write(t, dir, "serve.yaml", serveYAML+"seed: "+seed+"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing left to do
		authz, err := process.NewAuthz(t.Context(), c, options)
		if err != nil {
			t.Fatal(err)
		}
		if err := authz.Close(); err != nil {
			t.Error(err)
		}
	}
}
