package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/keys/keystest"
)

// run runs the program in this process.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, messages bytes.Buffer
	m := &Main{Args: args, Stdout: &out, Stderr: &messages}
	code = m.Run(t.Context())
	return code, out.String(), messages.String()
}

// write writes a file of a test and returns its path.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCertInspect(t *testing.T) {
	pair := keystest.NewCA(t, "partners").Client(t, keystest.URI("spiffe://acme/billing"))
	file := write(t, "both.pem", append(pair.KeyPEM(), pair.CertPEM()...))
	code, out, _ := run(t, "cert", "inspect", file)
	if code != 0 || !strings.Contains(out, "register with  tls_client_auth_san_uri: spiffe://acme/billing") || !strings.Contains(out, "HOLDS A PRIVATE KEY") {
		t.Errorf("code %d\n%s", code, out)
	}
	code, out, _ = run(t, "cert", "inspect", "--at", "2101-01-01T00:00:00Z", "-o", "json", file)
	var report certinfo.Report
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil || report.Warnings[1].Code != "expired" {
		t.Errorf("code %d, %v\n%s", code, err, out)
	}
	for want, args := range map[string][]string{
		"no such file": {"cert", "inspect", "nowhere.pem"},
		"neither PEM":  {"cert", "inspect", write(t, "x", []byte("x"))},
		"not a time":   {"cert", "inspect", "--at", "now", file},
	} {
		if code, _, messages := run(t, args...); code != 1 || !strings.Contains(messages, want) {
			t.Errorf("%v: code %d, %s", args, code, messages)
		}
	}
}

func TestCertVerify(t *testing.T) {
	ca := keystest.NewCA(t, "partners")
	anchors := write(t, "anchors.pem", ca.CertPEM())
	cert := write(t, "client.pem", ca.Client(t, keystest.URI("spiffe://acme/billing"), keystest.DNS("a.test")).CertPEM())
	body := `{"client_id":"a","partner_id":"acme","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"A.test","trust_bundle":"partners"}`
	one := write(t, "client.json", []byte(body))
	list := write(t, "seed.yaml", []byte("trust_bundles:\n- name: partners\n  anchors: |\n    "+
		strings.ReplaceAll(strings.TrimSpace(string(ca.CertPEM())), "\n", "\n    ")+"\nclients:\n- "+body+"\n- "+strings.ReplaceAll(strings.Replace(body, `"a"`, `"b"`, 1), "A.test", "b.test")+"\n"))
	for _, c := range []struct {
		want int
		say  string // on either stream
		args []string
	}{
		{0, "would be accepted", []string{"--bundle", anchors}},
		{0, "would be accepted", []string{"--bundle", anchors, "--match", "san_uri=spiffe://acme/billing"}},
		{0, "would be accepted", []string{"--bundle", anchors, "--client", one}},
		{0, `"accepted": true`, []string{"--client", list, "--client-id", "a", "-o", "json"}},
		{3, "subject_mismatch", []string{"--client", list, "--client-id", "b"}},
		{3, "subject_mismatch", []string{"--bundle", anchors, "--match", "san_uri=spiffe://acme/other"}},
		{3, "certificate_expired", []string{"--bundle", anchors, "--at", "2101-01-01T00:00:00Z"}},
		{3, "certificate_untrusted", []string{"--bundle", write(t, "other.pem", keystest.NewCA(t, "other").CertPEM())}},
		{1, "has 2 clients", []string{"--client", list}},
		{1, "no trust bundle", []string{"--client", one}},
		{1, "not KIND=VALUE", []string{"--bundle", anchors, "--match", "x"}},
		{1, "unknown subject value", []string{"--bundle", anchors, "--match", "x=y"}},
		{1, "not a certificate authority", []string{"--bundle", cert}},
		{1, "at least one of the flags", []string{}},
	} {
		code, out, messages := run(t, append([]string{"cert", "verify", cert}, c.args...)...)
		if code != c.want || !strings.Contains(out+messages, c.say) {
			t.Errorf("%v: code %d, want %d and %q\n%s%s", c.args, code, c.want, c.say, out, messages)
		}
	}
}
