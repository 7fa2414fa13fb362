package process_test

import (
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
			want: `FILE:11:22: keys.keks[0].file: `,
		},
		{
			name: "a key-encryption key that is none", files: map[string]string{"kek": "secret"},
			want: `FILE:11:22: keys.keks[0].file: `,
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
			want: `FILE:6:7: seed: DIR/seed.yaml: admin: [1:1] unknown field "partnres"`,
		},
		{
			name: "a seed with a malformed CA", old: "database:", new: "seed: seed.yaml\ndatabase:",
			files: map[string]string{"seed.yaml": "trust_bundles: [{name: partners, anchors: hello}]\n"},
			want:  `FILE:6:7: seed: admin: trust_bundles[0] "partners": trust: `,
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
			"a route with an unusable path and method", "/accounts\n    methods: [GET]", "/a/../b\n    methods: [GET, get]",
			"FILE:7:11: routes[0].path: ",
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
	check(t, dir, "serve.yaml", err, "FILE:8:1: keys: keys: cannot open the envelope of ")
}

// The clock of the options is the one the parts work by.
func TestNewAuthzTakesTheClock(t *testing.T) {
	dir := files(t)
	c, _, err := config.LoadServe(write(t, dir, "serve.yaml", serveYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	o := options
	o.Clock = func() time.Time { asked = true; return time.Now() }
	authz, err := process.NewAuthz(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := authz.Close(); err != nil || !asked {
		t.Errorf("close: %v, clock asked: %v", err, asked)
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
