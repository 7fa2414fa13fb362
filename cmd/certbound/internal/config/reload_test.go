package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

func TestServeChanges(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		settings       []string
		restart        string // what is said of it; "" when a reload does it
	}{
		{name: "nothing"},
		{"certificate", "server.pem", "other.pem", []string{"tls.certificate"}, ""},
		{"seed", "keys:", "seed: seed.yaml\nkeys:", []string{"seed"}, ""},
		{"issuer", "as.example.com", "other.example.com", []string{"issuer"}, "FILE:2:9: issuer"},
		{"listen", "keys:", "listen: 127.0.0.1:1\nkeys:", []string{"listen"}, "FILE:8:9: listen"},
		{"minimum version", "tls:", "tls:\n  min_version: \"1.2\"", []string{"tls.min_version"}, "FILE:4:16: tls.min_version"},
		{"database", "certbound.db", "other.db", []string{"database.path"}, "FILE:7:9: database.path"},
		{"key-encryption keys", "file: kek", "file: other", []string{"keys.keks"}, "FILE:10:3: keys.keks"},
		{"instance", "keys:", "audit: {instance: b}\nkeys:", []string{"audit.instance"}, "FILE:8:19: audit.instance"},
		{"lifetime", "keys:", "token_lifetime: 60s\nkeys:", []string{"token_lifetime"}, "FILE:8:17: token_lifetime"},
		{"algorithm", "keys:", "keys:\n  algorithm: RS256", []string{"keys.algorithm"}, "FILE:9:14: keys.algorithm"},
		{"admin", "keys:", "admin: {listen: ':1'}\nkeys:", []string{"admin.listen"}, "FILE:8:17: admin.listen"},
		{"ops", "keys:", "ops: {listen: ':1'}\nkeys:", []string{"ops.listen"}, "FILE:8:15: ops.listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, "serve.yaml", serveYAML)
			before, _, err := config.LoadServe(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, file, strings.Replace(serveYAML, tt.old, tt.new, 1))
			after, _, err := config.LoadServe(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			settings, err := before.Changes(after)
			expectChanges(t, file, settings, err, tt.settings, tt.restart)
		})
	}
}

func TestProxyChanges(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		settings       []string
		restart        string
	}{
		{name: "nothing"},
		{"route", "/accounts", "/payments", []string{"routes"}, ""},
		{"issuer", "as.example.com", "other.example.com", []string{"issuer"}, ""},
		{"audience and realm", "audience: https://api.example.com", "audience: https://other.example.com\nrealm: r", []string{"audience", "realm"}, ""},
		{"feed", "routes:", "revocations: {client_id: rs, certificate: a, key: b}\nroutes:",
			[]string{"revocations.client_id", "revocations.certificate", "revocations.key"}, ""},
		{"listen", "routes:", "listen: 127.0.0.1:1\nroutes:", []string{"listen"}, "FILE:6:9: listen"},
		{"ops", "routes:", "ops: {listen: ':1'}\nroutes:", []string{"ops.listen"}, "FILE:6:15: ops.listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, "proxy.yaml", proxyYAML)
			before, _, err := config.LoadProxy(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, file, strings.Replace(proxyYAML, tt.old, tt.new, 1))
			after, _, err := config.LoadProxy(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			settings, err := before.Changes(after)
			expectChanges(t, file, settings, err, tt.settings, tt.restart)
		})
	}
}

func expectChanges(t *testing.T, file string, settings []string, err error, want []string, restart string) {
	t.Helper()
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if restart == "" {
		if err != nil {
			t.Errorf("it needs a restart: %v", err)
		}
		return
	}
	restart = strings.Replace(restart, "FILE", file, 1) + ": a running process cannot change this: restart it; until then nothing of the new configuration is in force"
	if err == nil || err.Error() != restart {
		t.Errorf("got %v\nwant %s", err, restart)
	}
}

// TestFiles: what is read again at a reload is watched, and the database and the
// key-encryption keys are not among it.
func TestFiles(t *testing.T) {
	file := write(t, "serve.yaml", serveYAML+"seed: seed.yaml\n")
	s, _, err := config.LoadServe(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if diff := cmp.Diff([]string{filepath.Join(dir, "server.pem"), "/abs/server.key", filepath.Join(dir, "seed.yaml")}, s.Files()); diff != "" {
		t.Error(diff)
	}
	file = write(t, "proxy.yaml", proxyYAML+"upstream_ca: /up\nrevocations: {client_id: rs, certificate: /rs.pem, key: /rs.key}\n")
	p, _, err := config.LoadProxy(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Dir(file)
	want := []string{filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.pem"), "/up", "/rs.pem", "/rs.key"}
	if diff := cmp.Diff(want, p.Files()); diff != "" {
		t.Error(diff)
	}
}

func overwrite(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
