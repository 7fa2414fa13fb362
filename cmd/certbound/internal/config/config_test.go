package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/resource/proxy"
)

// serveYAML is a configuration with nothing wrong; tests change one thing in it.
const serveYAML = `version: 1
issuer: https://as.example.com
tls:
  certificate: server.pem
  key: /abs/server.key
database:
  path: certbound.db
keys:
  active: k1
  keks:
    - id: k1
      file: kek
`

const proxyYAML = `version: 1
tls: {certificate: server.pem, key: server.key}
issuer: https://as.example.com
issuer_ca: ca.pem
audience: https://api.example.com
routes:
  - path: /accounts
    methods: [GET]
    scopes: ["accounts:read"]
    upstream: http://127.0.0.1:9000
`

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var ignoreSource = cmpopts.IgnoreTypes((*config.Source)(nil))

func TestLoadServe(t *testing.T) {
	file := write(t, "serve.yaml", serveYAML)
	dir := filepath.Dir(file)
	got, _, err := config.LoadServe(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Serve{
		Version: 1, Issuer: "https://as.example.com", Listen: "127.0.0.1:8443",
		TLS:      config.TLS{Certificate: config.Path(dir + "/server.pem"), Key: "/abs/server.key", MinVersion: "1.3"},
		Database: config.Database{Path: config.Path(dir + "/certbound.db")},
		Keys: config.Keys{
			Active: "k1", KEKs: []config.KEK{{ID: "k1", File: config.Path(dir + "/kek")}},
			Algorithm: "ES256", RotateEvery: config.Duration(720 * time.Hour), JWKSMaxAge: config.Duration(5 * time.Minute),
		},
		TokenLifetime: config.Duration(5 * time.Minute),
		Audit:         config.Audit{Durability: "strict", Instance: host, RefusalsPerSecond: 200},
		Fetch:         config.DefaultFetch(),
		Enrollment:    config.DefaultEnrollment(),
		Admin:         config.DefaultAdmin(),
		RateLimits:    config.DefaultClientRates(),
	}
	if diff := cmp.Diff(want, got, ignoreSource); diff != "" {
		t.Error(diff)
	}
}

func TestLoadProxy(t *testing.T) {
	got, _, err := config.LoadProxy(write(t, "proxy.yaml", proxyYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	routes := []config.Route{{
		Path: "/accounts", Methods: []string{"GET"}, Scopes: config.Scopes{AllOf: []string{"accounts:read"}}, Upstream: "http://127.0.0.1:9000",
	}}
	if diff := cmp.Diff(routes, got.Routes); diff != "" {
		t.Error(diff)
	}
	if got.MaxBodyBytes != 10<<20 {
		t.Errorf("bodies are bounded at %d bytes by default", got.MaxBodyBytes)
	}
	if got.Leeway != config.Duration(10*time.Second) || got.Listen != "127.0.0.1:8444" {
		t.Errorf("defaults: leeway %s, listen %s", got.Leeway, got.Listen)
	}
	if at := got.Source.Locate("routes[0].scopes[0]").String(); !strings.HasSuffix(at, "proxy.yaml:9:14") {
		t.Errorf("scope located at %s", at)
	}
	if at := got.Source.Locate("routes[0].forward_token").String(); !strings.HasSuffix(at, "proxy.yaml:7:5") {
		t.Errorf("an absent setting of a route located at %s", at)
	}
}

// TestScopes: a plain list is all_of.
func TestScopes(t *testing.T) {
	for written, want := range map[string]config.Scopes{
		`["accounts:read"]`:          {AllOf: []string{"accounts:read"}},
		`{any_of: [a, b]}`:           {AnyOf: []string{"a", "b"}},
		`{all_of: [a], any_of: [b]}`: {AllOf: []string{"a"}, AnyOf: []string{"b"}},
	} {
		got, _, err := config.LoadProxy(write(t, "proxy.yaml", strings.Replace(proxyYAML, `["accounts:read"]`, written, 1)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Routes[0].Scopes); diff != "" {
			t.Error(diff)
		}
	}
}

// TestNamedUpstream: what is said once of an upstream holds for its routes.
func TestNamedUpstream(t *testing.T) {
	text := strings.Replace(proxyYAML, "upstream: http://127.0.0.1:9000", "upstream: accounts", 1) + `upstreams:
  - name: accounts
    url: unix:///run/accounts.sock
    protocol: h2c
    timeouts: {dial: 1s, tls_handshake: 2s, response_header: 3s, idle_connection: 4s, stream_idle: 5s, request: 6s}
`
	c, _, err := config.LoadProxy(write(t, "proxy.yaml", text), nil)
	if err != nil {
		t.Fatal(err)
	}
	route := c.ProxyRoutes()[0]
	if route.Upstream.String() != "unix:///run/accounts.sock" || route.ResponseHeader != 3*time.Second || route.StreamIdle != 5*time.Second || route.Timeout != 6*time.Second {
		t.Errorf("route %+v", route)
	}
	want := proxy.TransportConfig{
		Socket: "/run/accounts.sock", Protocol: proxy.H2C,
		Dial: time.Second, TLSHandshake: 2 * time.Second, IdleConnection: 4 * time.Second,
	}
	if diff := cmp.Diff(want, c.Upstreams[0].Transport()); diff != "" {
		t.Error(diff)
	}
}

// The tables below give the whole message, with FILE for the file's name.
func TestServeProblems(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown at the top", "issuer:", "isuer:", `FILE:1:1: issuer: required
FILE:2:1: unknown setting "isuer"; known here: version, issuer, listen, tls, database, keys, token_lifetime, audit, fetch, enrollment, rate_limits, admin, ops, seed`},
		{"unknown inside", "  path: certbound.db", "  path: certbound.db\n  dsn: x", `FILE:8:3: unknown setting "dsn" in database; known here: path`},
		{"unknown in a list", "      file: kek", "      fil: kek", `FILE:11:7: keys.keks[0].file: required
FILE:12:7: unknown setting "fil" in keys.keks[0]; known here: id, file`},
		{"repeated", "database:", "issuer: https://b\ndatabase:", `FILE:6:1: mapping key "issuer" already defined at [2:1]`},
		{"version missing", "version: 1\n", "", `FILE:1:1: version: required: write version: 1`},
		{"version unknown", "version: 1", "version: 2", `FILE:1:10: version: 2 is not a version this certbound reads; it reads 1`},
		{"version as text", "version: 1", `version: "1"`, `FILE:1:10: version: want a whole number, not negative, got a string`},
		{"issuer with query", "https://as.example.com", "https://as.example.com?a", `FILE:2:9: issuer: "https://as.example.com?a" is not an https URL without user, query and fragment`},
		{"issuer with a password", "https://as.example.com", "https://a:hunter2@as.example.com", `FILE:2:9: issuer: holds a user or password; credentials do not belong in an address`},
		{"issuer in plain http", "https://as", "http://as", `FILE:2:9: issuer: "http://as.example.com" is not an https URL without user, query and fragment`},
		{"listen", "tls:", "listen: 8443\ntls:", `FILE:3:9: listen: want a text, got a number (quote it to make it a text)`},
		{"listen without port", "tls:", "listen: localhost\ntls:", `FILE:3:9: listen: "localhost" is not host:port`},
		{"nothing where a mapping belongs", "database:\n  path: certbound.db", "database:", `FILE:6:10: database: want a mapping of settings, got nothing`},
		{"mapping where a list belongs", "    - id: k1\n      file: kek", "    id: k1", `FILE:11:5: keys.keks: want a list, got a mapping`},
		{"active key unknown", "active: k1", "active: k2", `FILE:9:11: keys.active: "k2" is not the id of any of keys.keks`},
		{"two keys of one id", "      file: kek", "      file: kek\n    - {id: k1, file: b}", `FILE:13:12: keys.keks[1].id: "k1" is the id of an earlier key`},
		{"lifetime without unit", "tls:", "token_lifetime: 300\ntls:", `FILE:3:17: token_lifetime: want a text such as 30s, got a number (quote it to make it a text)`},
		{"lifetime unreadable", "tls:", "token_lifetime: 5 minutes\ntls:", `FILE:3:17: token_lifetime: "5 minutes" is not a duration: write a number with its unit, such as 30s, 5m or 1h`},
		{"lifetime too long", "tls:", "token_lifetime: 2h\ntls:", `FILE:3:17: token_lifetime: 2h is outside 1s … 1h in whole seconds`},
		{"algorithm", "  active: k1", "  active: k1\n  algorithm: HS256", `FILE:10:14: keys.algorithm: "HS256" is not one of ES256, ES384, EdDSA, PS256, RS256`},
		{"rotation faster than anybody learns", "  active: k1", "  active: k1\n  rotate_every: 1m", `FILE:10:17: keys.rotate_every: 1m is outside 5m20s … 87600h in whole seconds`},
		{"keys kept for too long", "  active: k1", "  active: k1\n  jwks_max_age: 24h", `FILE:10:17: keys.jwks_max_age: 24h is outside 10s … 1h in whole seconds`},
		{"fetch: a host for a network", "tls:", "fetch: {allow_private: [10.0.0.1/8]}\ntls:", `FILE:3:25: fetch.allow_private[0]: 10.0.0.1/8 has bits behind its length; the network is 10.0.0.0/8`},
		{"fetch: no network at all", "tls:", "fetch: {allow_private: [intranet]}\ntls:", `FILE:3:25: fetch.allow_private[0]: netip.ParsePrefix("intranet"): no '/'`},
		{"fetch: bounds", "tls:", "fetch: {timeout: 2m, key_set_interval: 1m, key_set_floor: 2m}\ntls:", `FILE:3:18: fetch.timeout: 2m is outside 1s … 1m in whole seconds
FILE:3:59: fetch.key_set_floor: 2m is longer than key_set_interval, 1m`},
		{"min_version", "  certificate:", "  min_version: \"1.1\"\n  certificate:", `FILE:4:16: tls.min_version: "1.1" is not one of 1.3, 1.2`},
		{"anchors and aliases", "https://as.example.com", "&a https://as.example.com", `FILE:2:9: issuer: want a text, got YAML's anchor, which certbound does not read: write the value out`},
		{"two documents", "database:", "---\ndatabase:", `FILE:7:1: a second YAML document; a process has one`},
		{"all at once", "tls:\n  certificate: server.pem", "wat: 1\ntls:\n  min_version: x", `FILE:3:1: unknown setting "wat"; known here: version, issuer, listen, tls, database, keys, token_lifetime, audit, fetch, enrollment, rate_limits, admin, ops, seed
FILE:4:1: tls.certificate: required
FILE:5:16: tls.min_version: "x" is not one of 1.3, 1.2`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, "serve.yaml", strings.Replace(serveYAML, tt.old, tt.new, 1))
			_, _, err := config.LoadServe(file, nil)
			checkError(t, file, err, tt.want)
		})
	}
}

func TestProxyProblems(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"no CA for the issuer", "issuer_ca: ca.pem\n", "", `FILE:1:1: issuer_ca: required`},
		{"no audience", "https://api.example.com", `""`, `FILE:5:11: audience: required`},
		{"leeway too big", "audience:", "leeway: 31s\naudience:", `FILE:5:9: leeway: 31s is outside 0s … 30s in whole seconds`},
		{"leeway negative", "audience:", "leeway: -1s\naudience:", `FILE:5:9: leeway: -1s is outside 0s … 30s in whole seconds`},
		{"no routes", proxyYAML[strings.Index(proxyYAML, "routes:"):], "", `FILE:1:1: routes: required: without a route every request is answered 404`},
		{"route without a path", "- path: /accounts", "- path: ''", `FILE:7:11: routes[0].path: must start with a slash`},
		{"upstream", "http://127.0.0.1:9000", "127.0.0.1:9000", `FILE:10:15: routes[0].upstream: "127.0.0.1:9000" does not start with http://, https:// or unix://`},
		{"upstream empty", "http://127.0.0.1:9000", `""`, `FILE:10:15: routes[0].upstream: missing`},
		{"upstream with a password that cannot be read", "http://127.0.0.1:9000", `"http://u:secret@127.0.0.1:90x"`, `FILE:10:15: routes[0].upstream: not a URL: invalid port ":90x" after host`},
		{"upstream with a user", "http://127.0.0.1:9000", "http://u@127.0.0.1:9000", `FILE:10:15: routes[0].upstream: holds a user or password; credentials do not belong in an address`},
		{"plaintext upstream", "http://127.0.0.1:9000", "http://10.0.0.7:9000", `FILE:10:15: routes[0].upstream: "http://10.0.0.7:9000" is plaintext to another machine: use https, or allow it explicitly (insecure_plaintext_upstream)`},
		{"no bound for bodies", "audience:", "max_body_bytes: 0\naudience:", `FILE:5:17: max_body_bytes: 0 is not a size: write a number of bytes, 1 or more`},
		{"bound for bodies with a unit", "audience:", "max_body_bytes: 10MiB\naudience:", `FILE:5:17: max_body_bytes: want a whole number, not negative, got a string`},
		{"routes and the rest at once", "audience: https://api.example.com\nroutes:\n  - path: /accounts\n    methods: [GET]", "leeway: 31s\nroutes:\n  - path: accounts\n    methods: [get]", `FILE:1:1: audience: required
FILE:5:9: leeway: 31s is outside 0s … 30s in whole seconds
FILE:7:11: routes[0].path: must start with a slash
FILE:8:5: routes[0].methods: "get" is not an upper-case HTTP method`},
		{"a route twice", "    upstream: http://127.0.0.1:9000\n", "    upstream: http://127.0.0.1:9000\n  - {path: /accounts, methods: [GET], any_scope: true, upstream: http://127.0.0.1:9000}\n", `FILE:11:12: routes[1].path: GET /accounts matches the same requests as routes[0], GET /accounts`},
		{"host with a port", "    methods: [GET]", "    hosts: [a.test, 'b.test:443']\n    methods: [GET]", `FILE:8:5: routes[0].hosts: "b.test:443": has a port or a scheme; write the name alone, ports are ignored`},
		{"scopes as a text", `["accounts:read"]`, `accounts:read`, `FILE:9:13: routes[0].scopes: want a mapping of settings, got a string`},
		{"scopes unknown", `["accounts:read"]`, `{one_of: [a]}`, `FILE:9:5: routes[0].scopes: no scope is listed; if any valid token is enough, say so explicitly
FILE:9:14: unknown setting "one_of" in routes[0].scopes; known here: all_of, any_of`},
		{"a scope twice", `["accounts:read"]`, `{all_of: [a], any_of: [b, a]}`, `FILE:9:5: routes[0].scopes: "a" is listed twice`},
		{"a partner without a name", "    methods: [GET]", "    partners: ['']\n    methods: [GET]", `FILE:8:5: routes[0].partners: "" is not a name`},
		{"upstream of no name", "http://127.0.0.1:9000", "accounts", `FILE:10:15: routes[0].upstream: "accounts" does not start with http://, https:// or unix://`},
		{"upstreams", "routes:", "upstreams:\n  - {name: 'a b', url: 'http://10.0.0.1'}\n  - {name: b, url: 'https://b', protocol: h2c}\n  - {name: b, url: 'unix:///s', tls: {server_name: x}, timeouts: {dial: 10ms}}\n  - {url: 'https://c', protocol: spdy, tls: {ca: c, key: k}}\nroutes:", `FILE:7:12: upstreams[0].name: "a b" is not a name: letters, digits, '-', '_' and '.'
FILE:7:24: upstreams[0].url: "http://10.0.0.1" is plaintext to another machine: use https, or allow it explicitly (insecure_plaintext_upstream)
FILE:8:6: upstreams[1].tls.ca: an https upstream needs it, or upstream_ca: the system's roots are not used
FILE:9:12: upstreams[2].name: "b" is the name of an earlier upstream
FILE:9:33: upstreams[2].tls: there is no TLS to an upstream that is not https
FILE:9:73: upstreams[2].timeouts.dial: 10ms is outside 1s … 24h in whole seconds
FILE:10:6: upstreams[3].name: required
FILE:10:34: upstreams[3].protocol: "spdy" is not one of auto, http1, h2c
FILE:10:40: upstreams[3].tls.certificate: required`},
		{"rates", "audience:", "rate_limits:\n  client: {per: 1m}\n  partner: {requests: 5, per: 10ms}\naudience:", `FILE:6:3: rate_limits.client.requests: required: a number of requests, 1 or more
FILE:7:31: rate_limits.partner.per: 10ms is outside 1s … 24h in whole seconds`},
		{"identity", "audience:", "identity: {certificate: x-cert}\naudience:", `FILE:5:25: identity.certificate: "x-cert" is not one of client-cert, xfcc, none`},
		{"chain of nothing", "audience:", "identity: {certificate: none, chain: true}\naudience:", `FILE:5:38: identity.chain: a chain without its certificate says nothing`},
		{"introspection by nobody", "    methods: [GET]", "    methods: [GET]\n    introspect: true", `FILE:9:17: routes[0].introspect: the authorization server answers the client of revocations only: set client_id, certificate and key there`},
		{"recheck too rare", "audience:", "stream_recheck: 2m\naudience:", `FILE:5:17: stream_recheck: 2m is outside 1s … 1m in whole seconds`},
		{"websocket by POST", "    methods: [GET]", "    methods: [POST]\n    websocket: true", `FILE:9:16: routes[0].websocket: a WebSocket is opened by GET, which is not among the methods`},
		{"https upstream without roots", "http://127.0.0.1:9000", "https://127.0.0.1:9000", `FILE:10:15: routes[0].upstream: an https upstream needs upstream_ca: the system's roots are not used`},
		{"forward_token as text", "    upstream:", "    forward_token: \"yes\"\n    upstream:", `FILE:10:20: routes[0].forward_token: want true or false, got a string`},
		{"ops", "audience:", "ops: {listen: here}\naudience:", `FILE:5:15: ops.listen: "here" is not host:port`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, "proxy.yaml", strings.Replace(proxyYAML, tt.old, tt.new, 1))
			_, _, err := config.LoadProxy(file, nil)
			checkError(t, file, err, tt.want)
		})
	}
}

func checkError(t *testing.T, file string, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want\n%s", want)
	}
	if got := strings.ReplaceAll(err.Error(), file, "FILE"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNotYAML(t *testing.T) {
	for name, tt := range map[string]struct{ content, want string }{
		"empty":      {"", "FILE:1:1: the file is empty"},
		"comment":    {"# nothing\n", "FILE:1:1: the file is empty"},
		"unclosed":   {"version: 1\ntls: {certificate: a\n", "FILE:2:6: could not find flow mapping end token '}'"},
		"list":       {"- version\n", "FILE:1:1: want a mapping of settings, got a sequence"},
		"tab indent": {"tls:\n\tkey: a\n", "FILE:2:1: found character '\t' that cannot start any token"},
		"huge":       {strings.Repeat("#", 1<<20+1), "FILE:1:1: larger than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "serve.yaml", tt.content)
			_, _, err := config.LoadServe(file, nil)
			checkError(t, file, err, tt.want)
		})
	}
}

func TestMissingFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "serve.yaml")
	_, _, err := config.LoadServe(file, nil)
	checkError(t, file, err, "FILE: no such file or directory")
	_, err = config.Detect(file)
	checkError(t, file, err, "FILE: no such file or directory")
}

func TestDetect(t *testing.T) {
	for content, want := range map[string]config.Process{
		serveYAML: config.ServeProcess,
		proxyYAML: config.ProxyProcess,
		"":        config.ServeProcess,
	} {
		if got, err := config.Detect(write(t, "c.yaml", content)); err != nil || got != want {
			t.Errorf("Detect = %q, %v, want %q", got, err, want)
		}
	}
}
