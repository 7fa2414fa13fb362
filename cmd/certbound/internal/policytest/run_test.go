package policytest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/policytest"
)

const proxyYAML = `version: 1
tls: {certificate: none.pem, key: none.key}
issuer: https://as.example.com
issuer_ca: none.pem
audience: https://api.example.com
revocations: {client_id: rs, certificate: none.pem, key: none.key}
rate_limits: {client: {requests: 1, per: 1h}}
upstreams:
  - {name: app, url: "unix:///run/app.sock"}
routes:
  - {path: /a, methods: [GET], scopes: [s], introspect: true, upstream: app}
  - {path: "/{x}", methods: [GET], scopes: {any_of: [t, u]}, upstream: "http://127.0.0.1:1"}
  - {path: /ws, methods: [GET], any_scope: true, websocket: true, upstream: "http://127.0.0.1:1"}
`

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestJudgement: what is seen, and whether it is what was expected. None of the
// files that the configuration names is there.
func TestJudgement(t *testing.T) {
	c, _, err := config.LoadProxy(write(t, "proxy.yaml", proxyYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		one, seen string
		passed    bool
	}{
		{`path: /a, token: {scopes: [s]}, expect: allow, route: /a, upstream: app`, "allow by /a to app", true},
		{`path: /a, token: {scopes: [s]}, expect: allow, route: /b, upstream: app`, "allow by /a to app", false},
		{`path: /a, token: {scopes: [s]}, expect: allow, upstream: other`, "allow by /a to app", false},
		{`path: /a, token: {scopes: [s]}, expect: refuse`, "allow by /a", false},
		{`path: /a, token: {scopes: [t]}, expect: refuse`, "refuse scope_insufficient by /a", true},
		{`path: /a, token: {scopes: [t]}, expect: refuse, reason: token_missing`, "refuse scope_insufficient by /a", false},
		{`path: /a, token: {scopes: [t]}, expect: allow, route: /a`, "refuse scope_insufficient by /a", false},
		{`path: "/b?x=1", token: {scopes: [u]}, expect: allow`, "allow by /{x}", true},
		{`path: /b, method: PUT, expect: refuse, reason: method_not_allowed`, "refuse method_not_allowed by /{x}", true},
		{`path: /b/c, expect: refuse, reason: route_unknown`, "refuse route_unknown", true},
		{`path: /b/c, expect: refuse, route: /b`, "refuse route_unknown by none", false},
		{`path: //a, expect: refuse, reason: request_malformed`, "refuse request_malformed", true},
		{`path: /a, certificate: none, token: {scopes: [s]}, expect: refuse, reason: certificate_missing`, "refuse certificate_missing by /a", true},
		{`path: /a, certificate: other, token: {scopes: [s]}, expect: refuse, reason: thumbprint_mismatch`, "refuse thumbprint_mismatch by /a", true},
		{`path: /a, without_token: true, expect: refuse, reason: token_missing`, "refuse token_missing by /a", true},
		{`path: /ws, token: {unbound: true}, expect: refuse, reason: token_unbound`, "refuse token_unbound by /ws", true},
		{`path: /.well-known/oauth-protected-resource, without_token: true, expect: allow`, "allow by /.well-known/oauth-protected-resource", true},
	}
	text := "version: 1\ncases:\n"
	for _, tt := range tests {
		text += "  - {name: x, " + tt.one + "}\n"
	}
	p, err := config.LoadPolicy(write(t, "policy.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	results, err := policytest.Run(p, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range tests {
		r := results[i]
		if r.Seen != tt.seen || r.Passed != tt.passed {
			t.Errorf("%s\n got %v %q\nwant %v %q", tt.one, r.Passed, r.Seen, tt.passed, tt.seen)
		}
	}
	if !strings.HasSuffix(results[1].At, "policy.yaml:4:12") {
		t.Errorf("the second case is at %s", results[1].At)
	}
}

// TestExample: the sample cases are true of the sample proxy.
func TestExample(t *testing.T) {
	const examples = "../../../../examples/"
	p, err := config.LoadPolicy(examples + "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := config.LoadProxy(string(p.Config), nil)
	if err != nil {
		t.Fatal(err)
	}
	results, err := policytest.Run(p, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("%+v", r)
		}
	}
}

func TestCasesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"version: 1\n": "FILE:1:1: cases: required: a file without a case shows nothing",
		"version: 1\ncases: [{expect: maybe, certificate: x}]\n":                    "FILE:2:10: cases[0].name: required\nFILE:2:10: cases[0].path: required\nFILE:2:18: cases[0].expect: \"maybe\" is not one of allow, refuse\nFILE:2:38: cases[0].certificate: \"x\" is not one of own, other, none",
		"version: 1\ncases:\n  - {name: x, path: /, expect: allow, reason: r}\n":    "FILE:3:47: cases[0].reason: what is allowed has no reason",
		"version: 1\ncases:\n  - {name: x, path: /, expect: refuse, upstream: u}\n": "FILE:3:50: cases[0].upstream: what is refused reaches no upstream",
	} {
		file := write(t, "policy.yaml", text)
		_, err := config.LoadPolicy(file)
		if err == nil {
			t.Fatalf("no error, want %s", want)
		}
		if diff := cmp.Diff(want, strings.ReplaceAll(err.Error(), file, "FILE")); diff != "" {
			t.Error(diff)
		}
	}
	c, _, err := config.LoadProxy(write(t, "proxy.yaml", proxyYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := config.LoadPolicy(write(t, "policy.yaml", "version: 1\ncases: [{name: x, path: '/a b', expect: allow}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policytest.Run(p, c); err == nil || !strings.HasSuffix(err.Error(), "policy.yaml:2:10: cases[0]: method, host and path hold no blanks") {
		t.Error(err)
	}
}
