package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// TestRecordVerbs: what a command line sends, and what it prints.
func TestRecordVerbs(t *testing.T) {
	api := newAdminAPI(t)
	dir := t.TempDir()
	pem, _ := keystest.SelfSigned(t).WriteFiles(t, dir, "ca")
	file := filepath.Join(dir, "partner.yaml")
	if err := os.WriteFile(file, []byte("name: Acme\ndisabled: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const acme = `{"id":"acme","name":"Acme","disabled":true,"version":3}`
	api.answers["GET /admin/v1/partners?limit=500"] = `{"partners":[` + acme + `,{"id":"b","locked_at":"x","name":"\u001b[2J"}]}`
	api.answers["GET /admin/v1/partners/acme"] = acme
	api.answers["POST /admin/v1/partners"] = acme
	api.answers["POST /admin/v1/partners?dry_run=true"] = `{"dry_run":true,"after":{"id":"acme","warnings":[{"code":"c","text":"look","owner":"o"}]}}`
	api.answers["PATCH /admin/v1/partners/acme"] = acme
	api.answers["POST /admin/v1/partners/acme/lockout"] = acme
	api.answers["PATCH /admin/v1/apis/a"] = `{"id":"a"}`
	api.answers["GET /admin/v1/apis/a"] = `{"id":"a"}`
	api.answers["DELETE /admin/v1/apis/a"] = ``
	api.answers["GET /admin/v1/trust-bundles?limit=500"] = `{"bundles":[]}`
	api.answers["POST /admin/v1/trust-bundles"] = `{"name":"b","anchors":"-----BEGIN CERTIFICATE-----","warnings":[{"code":"root_without_issuers","text":"look"}]}`
	api.answers["POST /admin/v1/trust-bundles/b/rollback"] = `{"name":"b","version":3}`
	for _, tt := range []struct {
		line  string
		asked string // the last request
		out   string // is in the output
		msg   string // is in the messages
		code  int
	}{
		{"partner list", "GET /admin/v1/partners?limit=500", "PARTNER  STATE       NAME\nacme     disabled    Acme\nb        locked out  \"\\x1b[2J\"\n", "", 0},
		{"trust list", "GET /admin/v1/trust-bundles?limit=500", "", `the server's answer has no "trust_bundles"`, 2},
		{"partner show acme -o json", "GET /admin/v1/partners/acme", "  \"version\": 3\n", "", 0},
		{"partner create acme --name Acme --disabled", `POST /admin/v1/partners {"disabled":true,"id":"acme","name":"Acme"}`, "id        acme\n", "", 0},
		{"partner create acme -f " + file + " --name Other", `POST /admin/v1/partners {"disabled":true,"id":"acme","name":"Other"}`, "", "", 0},
		{"partner create --dry-run", `POST /admin/v1/partners?dry_run=true {}`, `"dry_run": true`, "warning c: look o", 0},
		{"partner update acme --name=", `PATCH /admin/v1/partners/acme {"name":null}`, "", "", 0},
		{"partner update acme --if-match x --disabled=false", `PATCH /admin/v1/partners/acme {"disabled":false}`, "", "", 0},
		{"partner update acme", "", "", "nothing to change", 1},
		{"partner lockout acme --reason stolen", `POST /admin/v1/partners/acme/lockout {"reason":"stolen"}`, "", "", 0},
		{"partner lockout acme", "", "", `required flag(s) "reason" not set`, 1},
		{"partner restore nobody", `POST /admin/v1/partners/nobody/restore {}`, "", "record_unknown", 2},
		{"api update a --scope x --scope y --token-lifetime 60", `PATCH /admin/v1/apis/a {"scopes":["x","y"],"token_lifetime_seconds":60}`, "", "", 0},
		{"api delete a --if-match x", `DELETE /admin/v1/apis/a`, "", "", 0},
		{"trust create b --anchors " + pem, `POST /admin/v1/trust-bundles {"anchors":"-----BEGIN CERTIFICATE`, "anchors  1 certificates", "warning root_without_issuers: look", 0},
		{"trust create b --anchors " + dir + "/none", "", "", "no such file", 1},
		{"trust rollback b 1 --reason why", `POST /admin/v1/trust-bundles/b/rollback {"reason":"why","version":1}`, "version  3", "", 0},
		{"trust rollback b one", "", "", "is no version", 1},
		{"partner create -f " + pem, "", "", "ca.pem: ", 1},
	} {
		api.asked = nil
		code, out, msg := administer(t, api.env, strings.Fields(tt.line)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(msg, tt.msg) || strings.Contains(out, "\x1b") {
			t.Errorf("%s: %d\n%s\n%s", tt.line, code, out, msg)
		}
		last := ""
		if len(api.asked) > 0 {
			last = api.asked[len(api.asked)-1]
		}
		if tt.asked == "" && last != "" || !strings.HasPrefix(last, tt.asked) {
			t.Errorf("%s: asked %q", tt.line, api.asked)
		}
	}
}

// TestClientFromCertificate: the server says what the certificate is called, and the
// command line lays over it what it was told.
func TestClientFromCertificate(t *testing.T) {
	api := newAdminAPI(t)
	pem, _ := keystest.SelfSigned(t).WriteFiles(t, t.TempDir(), "a")
	api.answers["POST /admin/v1/clients/from-certificate"] = `{"draft":{"client_id":"","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_uri":"urn:a"},"warnings":[{"code":"lifetime","text":"long"}]}`
	api.answers["POST /admin/v1/clients"] = edge
	code, out, msg := administer(t, api.env, "client", "create", "edge", "--partner", "acme", "--bundle", "partners", "--scope", "a,b", "--from-cert", pem)
	if code != 0 || !strings.Contains(out, "edge") || !strings.Contains(msg, "warning lifetime: long") || len(api.asked) != 2 {
		t.Fatalf("%d %s %s %q", code, out, msg, api.asked)
	}
	const want = `POST /admin/v1/clients {"client_id":"edge","partner_id":"acme","scope":"a b","tls_client_auth_san_uri":"urn:a","token_endpoint_auth_method":"tls_client_auth","trust_bundle":"partners"}`
	if api.asked[1] != want {
		t.Errorf("asked %s", api.asked[1])
	}
	api.asked = nil
	code, _, msg = administer(t, api.env, "client", "create", "edge", "--partner", "acme", "--self-signed", "--from-cert", pem)
	if code != 0 || len(api.asked) != 1 || !strings.Contains(api.asked[0], `"x5c":[`) || !strings.Contains(api.asked[0], "self_signed_tls_client_auth") {
		t.Errorf("%d %s %q", code, msg, api.asked)
	}
	if code, _, msg := administer(t, api.env, "client", "create", "--self-signed"); code != 1 || !strings.Contains(msg, "needs --from-cert") {
		t.Errorf("%d %s", code, msg)
	}
}
