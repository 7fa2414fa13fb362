package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
)

// adminAPI is a server that plays issuer and admin API with prepared answers; it
// notes what was asked of it.
type adminAPI struct {
	*httptest.Server
	answers map[string]string // "GET /path" → body; a body with "status" is a problem
	links   map[string]string
	asked   []string
	env     []string
}

func newAdminAPI(t *testing.T) *adminAPI {
	t.Helper()
	a := &adminAPI{answers: map[string]string{}, links: map[string]string{}}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	dir := t.TempDir()
	cert, key := keystest.SelfSigned(t).WriteFiles(t, dir, "admin")
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a.env = []string{
		"CERTBOUND_ADMIN_SERVER=" + a.URL, "CERTBOUND_ADMIN_CA=" + ca, "CERTBOUND_ADMIN_CERT=" + cert,
		"CERTBOUND_ADMIN_KEY=" + key, "CERTBOUND_ADMIN_CLIENT_ID=root",
	}
	return a
}

func (a *adminAPI) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/admin/v1/issuer":
		fmt.Fprintf(w, `{"issuer":%q,"audience":"urn:admin"}`, a.URL)
	case "/.well-known/oauth-authorization-server":
		fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":%q}`, a.URL, a.URL+"/oauth2/token")
	case "/oauth2/token":
		fmt.Fprint(w, `{"access_token":"t0ken","token_type":"Bearer","expires_in":300}`)
	default:
		a.asked = append(a.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		answer, ok := a.answers[r.Method+" "+r.URL.RequestURI()]
		if !ok || r.Header.Get("Authorization") != "Bearer t0ken" {
			answer = `{"type":"urn:certbound:problem:record_unknown","title":"there is no such record","status":404,"reason":"record_unknown","request_id":"r1"}`
			w.WriteHeader(http.StatusNotFound)
		}
		if link := a.links[r.URL.RequestURI()]; link != "" {
			w.Header().Set("Link", link)
		}
		fmt.Fprint(w, answer)
	}
}

// administer runs one command line of the admin verbs.
func administer(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, messages bytes.Buffer
	m := &Main{Environ: env, Stdout: &out, Stderr: &messages}
	audit := m.auditCommand()
	audit.AddCommand(m.auditCheckpointCommand())
	root := group(&cobra.Command{Use: "certbound", SilenceErrors: true, SilenceUsage: true},
		m.partnerCommand(), m.clientCommand(), m.apiCommand(), m.trustCommand(), m.certCommand(), audit, m.adminCommand(), m.explainCommand())
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&messages)
	err := root.ExecuteContext(context.Background())
	if err != nil {
		fmt.Fprintln(&messages, err)
	}
	return cli.Code(err), out.String(), messages.String()
}

const edge = `{"client_id":"edge","partner_id":"acme","token_endpoint_auth_method":"self_signed_tls_client_auth","scope":"r w","disabled":true,"generation":2,
	"certificates":[{"x5t#S256":"x5t","not_after":"2030-01-02T00:00:00Z"}]}`

func TestClientVerbs(t *testing.T) {
	api := newAdminAPI(t)
	api.answers["POST /admin/v1/clients/a%2Fb/disable"] = edge
	api.answers["GET /admin/v1/clients/edge"] = edge
	api.answers["GET /admin/v1/clients?limit=500"] = `{"clients":[` + edge + `]}`
	api.links["/admin/v1/clients?limit=500"] = `</admin/v1/clients?limit=500&after=edge>; rel="next"`
	api.answers["GET /admin/v1/clients?limit=500&after=edge"] = `{"clients":[{"client_id":"zeta","partner_id":"acme"}]}`

	code, out, msg := administer(t, api.env, "client", "disable", "a/b", "--reason", "unpaid")
	if code != 0 || !strings.Contains(out, "state        disabled") || msg != "" {
		t.Errorf("%d %s %s", code, out, msg)
	}
	if want := `POST /admin/v1/clients/a%2Fb/disable {"reason":"unpaid"}`; len(api.asked) != 1 || api.asked[0] != want {
		t.Errorf("asked %q", api.asked)
	}
	code, out, _ = administer(t, api.env, "client", "show", "edge", "-o", "json")
	var view map[string]any
	if err := json.Unmarshal([]byte(out), &view); code != 0 || err != nil || view["client_id"] != "edge" || view["disabled"] != true {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ = administer(t, api.env, "client", "list")
	if code != 0 || out != "CLIENT  PARTNER  STATE     METHOD                       SCOPE\n"+
		"edge    acme     disabled  self_signed_tls_client_auth  r w\n"+
		"zeta    acme     enabled   -                            -\n" {
		t.Errorf("%d %s", code, out)
	}
}

func TestCertRevoke(t *testing.T) {
	api := newAdminAPI(t)
	x5t := strings.Repeat("A", 43)
	api.answers["POST /admin/v1/certificates/"+x5t+"/revoke"] = `{"x5t#S256":"` + x5t + `","client_id":"edge","reason":"lost","revoked_at":"2026-11-22T12:00:00Z"}`
	code, out, msg := administer(t, api.env, "cert", "revoke", x5t, "--reason", "lost")
	if code != 0 || out != x5t+" of edge revoked since 2026-11-22T12:00:00Z: lost\n" {
		t.Errorf("%d %s %s", code, out, msg)
	}
	ca := keystest.NewCA(t, "CA")
	file := filepath.Join(t.TempDir(), "lost.pem")
	if err := os.WriteFile(file, ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	x5t = thumbprint.Of(ca.Cert).String()
	api.answers["POST /admin/v1/certificates/"+x5t+"/revoke"] = `{"x5t#S256":"` + x5t + `","reason":"lost","revoked_at":"2026-11-22T12:00:00Z"}`
	if code, out, msg := administer(t, api.env, "cert", "revoke", file, "--reason", "lost"); code != 0 || !strings.HasPrefix(out, x5t+" revoked since") {
		t.Errorf("%d %s %s", code, out, msg)
	}
	x5t, api.asked = strings.Repeat("A", 43), api.asked[:1]
	if code, _, msg := administer(t, api.env, "cert", "revoke", "short", "--reason", "lost"); code != 1 || len(api.asked) != 1 || !strings.Contains(msg, "neither an x5t#S256 nor a file") {
		t.Errorf("%d %s", code, msg)
	}
	if code, _, msg := administer(t, api.env, "cert", "revoke", x5t); code != 1 || !strings.Contains(msg, `required flag(s) "reason" not set`) {
		t.Errorf("%d %s", code, msg)
	}
}

// TestCertificatesByFile: where a thumbprint is taken, the certificate itself is too.
// A dry run shows what the server says would be.
func TestCertificatesByFile(t *testing.T) {
	api := newAdminAPI(t)
	pair := keystest.SelfSigned(t)
	file, x5t := write(t, "edge.pem", pair.CertPEM()), thumbprint.Of(pair.Cert).String()
	record := "/admin/v1/certificates/" + x5t
	preview := `{"dry_run":true,"before":{},"after":{}}`
	api.answers["GET "+record] = `{"x5t#S256":"` + x5t + `"}`
	api.answers["POST "+record+"/revoke?dry_run=true"] = preview
	api.answers["DELETE /admin/v1/clients/edge/certificates/"+x5t] = ``
	api.answers["POST /admin/v1/clients/edge/disable?dry_run=true"] = preview
	for line, want := range map[string]string{
		"cert show " + file:                             x5t,
		"cert revoke " + file + " --reason x --dry-run": `"dry_run": true`,
		"cert remove edge " + file:                      "",
		"client disable edge --reason unpaid --dry-run": `"dry_run": true`,
	} {
		if code, out, msg := administer(t, api.env, strings.Fields(line)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s %s", line, code, out, msg)
		}
	}
}

func TestAuditVerbs(t *testing.T) {
	api := newAdminAPI(t)
	event := `{"time":"2026-11-22T12:00:00Z","kind":"token.refused","client":"evil\u001b[2J","detail":{},"hash":"00"}`
	api.answers["GET /admin/v1/audit-events?client=edge&limit=50&request_id=r"] = `{"events":[` + event + `]}`
	code, out, msg := administer(t, api.env, "audit", "list", "--client", "edge", "--request-id", "r")
	if code != 0 || !strings.Contains(out, `"evil\x1b[2J"`) || strings.Contains(out, "\x1b") {
		t.Errorf("%d %q %s", code, out, msg)
	}
	api.answers["POST /admin/v1/audit-checkpoints"] = `{"id":7,"checkpoint":"a.b.c","kid":"k","created_at":"2026-11-22T12:00:00Z"}`
	if code, out, msg := administer(t, api.env, "audit", "checkpoint"); code != 0 || out != "a.b.c\n" {
		t.Errorf("%d %q %s", code, out, msg)
	}
	first := "/admin/v1/audit-events?kind=token.issued&limit=500"
	api.answers["GET "+first] = `{"events":[{"seq":2},{"seq":1}]}`
	api.links[first] = `</admin/v1/audit-events?before=1>; rel="next"`
	api.answers["GET /admin/v1/audit-events?before=1"] = `{"events":[{"seq":9}]}`
	if code, out, msg := administer(t, api.env, "audit", "export", "--kind", "token.issued"); code != 0 || out != "{\"seq\":2}\n{\"seq\":1}\n{\"seq\":9}\n" {
		t.Errorf("%d %q %s", code, out, msg)
	}
}

// TestExplainRequest tells what differed, what it means and what to do.
func TestExplainRequest(t *testing.T) {
	api := newAdminAPI(t)
	event := `{"time":"2026-11-22T12:00:00Z","kind":"token.refused","reason":"subject_mismatch","client":"edge","request_id":"r1",
		"detail":{"expected":"san_dns:edge.example","seen":"evil\u001b[2J","detail":"no san_dns entry of the certificate equals the registered value",
		"certificate":{"subject":"CN=edge","serial":"0f"}}}`
	api.answers["GET /admin/v1/audit-events?limit=10&request_id=r1"] = `{"events":[` + event + `]}`
	code, out, msg := administer(t, api.env, "explain", "request", "r1")
	for _, want := range []string{"subject_mismatch", "san_dns:edge.example", `"evil\x1b[2J"`, "no san_dns entry", "subject CN=edge, serial 0f", "it means", "to check"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	if code != 0 || strings.Contains(out, "\x1b") {
		t.Errorf("%d %q %s", code, out, msg)
	}
	api.answers["GET /admin/v1/audit-events?limit=10&request_id=r2"] = `{"events":[]}`
	if code, _, msg := administer(t, api.env, "explain", "request", "r2"); code != 2 || !strings.Contains(msg, "proxy's log") {
		t.Errorf("%d %q", code, msg)
	}
}

// TestAdminExitCodes: 1 is ours, 2 is the server's.
func TestAdminExitCodes(t *testing.T) {
	api := newAdminAPI(t)
	code, out, msg := administer(t, api.env, "client", "show", "nobody")
	if want := "the admin API refused with status 404\n  problem      there is no such record\n  reason       record_unknown\n  request_id   r1\n"; code != 2 || out != "" || msg != want {
		t.Errorf("%d %q %q", code, out, msg)
	}
	if code, _, msg := administer(t, nil, "client", "list"); code != 1 || msg != "--server is missing; it may also stand in CERTBOUND_ADMIN_SERVER\n" {
		t.Errorf("%d %q", code, msg)
	}
	if code, _, msg := administer(t, api.env, "client", "list", "--server", "http://localhost"); code != 1 || !strings.Contains(msg, "not an https URL") {
		t.Errorf("%d %q", code, msg)
	}
	api.Close()
	if code, _, msg := administer(t, api.env, "client", "list"); code != 2 || !strings.Contains(msg, "adminclient: ") {
		t.Errorf("%d %q", code, msg)
	}
}

func TestReadCertificate(t *testing.T) {
	dir := t.TempDir()
	pair := keystest.SelfSigned(t)
	cert, key := pair.WriteFiles(t, dir, "a")
	if got, err := readCertificate(cert); err != nil || !got.Equal(pair.Cert) {
		t.Errorf("%v", err)
	}
	if _, err := readCertificate(key); err == nil || err.Error() != key+": holds a private key; give the certificate alone" {
		t.Errorf("%v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readCertificate(empty); err == nil || err.Error() != empty+": no certificate in PEM form" {
		t.Errorf("%v", err)
	}
}
