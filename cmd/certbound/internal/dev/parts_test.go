package dev

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestLoopback(t *testing.T) {
	for in, want := range map[string]string{
		":8444":          "127.0.0.1:8444",
		"localhost:0":    "localhost:0",
		"127.0.0.1:8443": "127.0.0.1:8443",
		"[::1]:8443":     "[::1]:8443",
		"0.0.0.0:1":      `dev: --x "0.0.0.0:1" is not loopback: dev holds keys in plain files and listens on localhost, 127.0.0.1 or [::1] only`,
		"127.0.0.2:1":    `dev: --x "127.0.0.2:1" is not loopback: dev holds keys in plain files and listens on localhost, 127.0.0.1 or [::1] only`,
		"[::]:1":         `dev: --x "[::]:1" is not loopback: dev holds keys in plain files and listens on localhost, 127.0.0.1 or [::1] only`,
		"8443":           `dev: --x "8443" is not host:port`,
	} {
		got, err := Loopback("--x", in)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("Loopback(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestReadSigningKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := func(key any) string {
		data, err := json.Marshal(jose.JSONWebKey{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	file := filepath.Join(t.TempDir(), "jwk.json")
	if err := os.WriteFile(file, []byte(text(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, value, algorithm, want string }{
		{"inline", " " + text(key), "ES256", ""},
		{"file", file, "ES256", ""},
		{"RSA", text(rsaKey), "RS256", ""},
		{"public", text(key.Public()), "", "dev: signing key: not a private EC or RSA key"},
		{"symmetric", `{"kty":"oct","k":"c2VjcmV0"}`, "", "dev: signing key: not a private EC or RSA key"},
		{"not a key", `{"kty":"EC","d":"secret"}`, "", "dev: signing key: not a JWK (RFC 7517)"},
		{"missing file", "/nonexistent", "", "dev: signing key: open /nonexistent: no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadSigningKey(tt.value)
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("err = %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || signingAlgorithm(got) != tt.algorithm {
				t.Errorf("got %s, %v", signingAlgorithm(got), err)
			}
		})
	}
	if got := signingAlgorithm(nil); got != "ES256" {
		t.Errorf("the default is %s", got)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/tmp/dev/ca.pem": "/tmp/dev/ca.pem",
		"/my dev/ca.pem":  "'/my dev/ca.pem'",
		"":                "''",
		"it's":            `'it'\''s'`,
		"$(rm -rf ~)":     "'$(rm -rf ~)'",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestUpstreamEchoesAndCounts(t *testing.T) {
	u := &upstream{}
	ask := func(method, target string) string {
		r := httptest.NewRequest(method, target, nil)
		r.Header = http.Header{"X-Certbound-Client": {"acme-billing"}}
		w := httptest.NewRecorder()
		u.ServeHTTP(w, r)
		return w.Body.String()
	}
	if got, want := ask("GET", "/hits"), "{\"hits\":0}\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := `{"method":"POST","path":"/accounts?a=1","headers":{"X-Certbound-Client":["acme-billing"]}}` + "\n"
	if got := ask("POST", "/accounts?a=1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := ask("GET", "/hits"), "{\"hits\":1}\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWriteFileLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "dev.json")
	for _, content := range []string{"one", "two"} {
		if err := writeFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := writeFile(dir, []byte("x"), 0o600); err == nil {
		t.Error("a directory was overwritten")
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".tmp-") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestReadInfo(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadInfo(dir)
	if want := "dev: no dev runs in " + dir + " (there is no dev.json); start one with: certbound dev --dir " + quote(dir); err == nil || err.Error() != want {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, infoName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadInfo(dir); err == nil || err.Error() != "dev: "+filepath.Join(dir, infoName)+": unexpected end of JSON input" {
		t.Errorf("half a file: %v", err)
	}
}
