package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/contract"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// administrator calls the admin API; every answer is held against the document that
// the same server serves.
type administrator struct {
	d        *harness.Dev
	client   *http.Client
	token    string
	promised *contract.Contract
	seen     map[string]bool // operations that were done
}

func newAdministrator(t *testing.T, d *harness.Dev) *administrator {
	t.Helper()
	pair := d.Pair(t, d.AdminClient.ClientID)
	a := &administrator{d: d, client: d.HTTPClient(t, &pair, nil), seen: map[string]bool{}}
	a.token = d.Token(t, &pair, harness.TokenForm(d.AdminClient.ClientID, "resource", d.Issuer+"/admin")).AccessToken
	served := a.send(t, http.MethodGet, "/admin/v1/openapi.json", "")
	var err error
	if a.promised, err = contract.New(served.Body); err != nil {
		t.Fatal(err)
	}
	return a
}

// send sends one request; more are header names and values.
func (a *administrator) send(t *testing.T, method, path, body string, more ...string) *harness.Response {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + a.token}}
	if body != "" {
		header["Content-Type"] = []string{"application/json"}
		if method == http.MethodPatch {
			header["Content-Type"] = []string{"application/merge-patch+json"}
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		header[more[i]] = []string{more[i+1]}
	}
	response := a.d.Send(t, harness.Request{Method: method, URL: a.d.Admin + path, Header: header, Body: body, Client: a.client})
	if a.promised != nil {
		bare, _, _ := strings.Cut(path, "?")
		id, err := a.promised.Check(method, bare, response.Status, response.Header, response.Body)
		if err != nil {
			t.Error(err)
		}
		if response.Status < 300 {
			a.seen[id] = true
		}
	}
	return response
}

func (a *administrator) expect(t *testing.T, status int, method, path, body string, more ...string) *harness.Response {
	t.Helper()
	response := a.send(t, method, path, body, more...)
	if response.Status != status {
		t.Fatalf("%s %s: %s, want %d", method, path, response, status)
	}
	return response
}

// reason is the stable reason of a problem document.
func reason(t *testing.T, r *harness.Response) string {
	t.Helper()
	var problem struct{ Type, Reason string }
	if err := json.Unmarshal(r.Body, &problem); err != nil || problem.Type != "urn:certbound:problem:"+problem.Reason {
		t.Errorf("no problem document: %s", r)
	}
	return problem.Reason
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAdminKeepsItsDocument does everything the document describes, and much it
// forbids.
func TestAdminKeepsItsDocument(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	a := newAdministrator(t, d)
	edge := keystest.SelfSigned(t, keystest.CommonName("edge"))
	next := keystest.SelfSigned(t, keystest.CommonName("edge"))
	ca, later := keystest.NewCA(t, "New CA"), keystest.NewCA(t, "Later CA")
	billing := ca.Client(t, keystest.URI("spiffe://new/billing"))
	pem := func(pair keystest.Pair) string {
		return asJSON(t, map[string]string{"certificate": string(pair.CertPEM())})
	}
	const present = "*"
	for _, step := range []struct {
		status             int
		method, path, body string
		ifMatch            string
		reason             string // of a refusal
	}{
		{201, "POST", "partners", `{"id":"new","name":"New"}`, "", ""},
		{409, "POST", "partners", `{"id":"new"}`, "", "conflict"},
		{422, "POST", "partners", `{"id":"n ew","nome":1}`, "", "input_invalid"},
		{400, "POST", "partners", `{"id":"a","id":"b"}`, "", "request_malformed"},
		{400, "POST", "partners", "{\"name\":\"\xff\"}", "", "request_malformed"},
		{400, "POST", "partners", strings.Repeat("[", 100), "", "request_malformed"},
		{413, "POST", "partners", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, "", "request_too_large"},
		{200, "GET", "partners?limit=1", "", "", ""},
		{422, "GET", "partners?limit=0", "", "", "input_invalid"},
		{200, "GET", "partners/new", "", "", ""},
		{404, "GET", "partners/none", "", "", "record_unknown"},
		{428, "PATCH", "partners/new", `{"name":"Newer"}`, "", "precondition_required"},
		{412, "PATCH", "partners/new", `{"name":"Newer"}`, `"x"`, "record_stale"},
		{422, "PATCH", "partners/new", `{"id":"newer"}`, present, "input_invalid"},
		{200, "PATCH", "partners/new", `{"name":"Newer"}`, present, ""},
		{200, "PATCH", "partners/new?dry_run=true", `{"name":"Newest"}`, present, ""},
		{201, "POST", "trust-bundles", asJSON(t, map[string]string{"name": "new", "anchors": string(ca.CertPEM())}), "", ""},
		{200, "PATCH", "trust-bundles/new", asJSON(t, map[string]string{"anchors": string(later.CertPEM())}), present, ""},
		{422, "PATCH", "trust-bundles/new", `{"anchors":"none"}`, present, "input_invalid"},
		{200, "POST", "trust-bundles/new/rollback", `{"version":1}`, "", ""},
		{200, "GET", "trust-bundles", "", "", ""},
		{200, "GET", "trust-bundles/new", "", "", ""},
		{200, "GET", "trust-bundles/new/versions", "", "", ""},
		{200, "GET", "trust-bundles/new/versions/2", "", "", ""},
		{200, "GET", "trust-proposals?status=open&trust_bundle=new", "", "", ""},
		{422, "GET", "trust-proposals?status=waiting", "", "", "input_invalid"},
		{404, "GET", "trust-proposals/none", "", "", "record_unknown"},
		{404, "POST", "trust-proposals/none/approve", "", "", "record_unknown"},
		{404, "POST", "trust-proposals/none/reject", "", "", "record_unknown"},
		{201, "POST", "apis", `{"id":"orders","audience":"https://orders.test","scopes":["orders:read"]}`, "", ""},
		{409, "POST", "apis", `{"id":"other","audience":"https://orders.test","scopes":["orders:read"]}`, "", "conflict"},
		{200, "PATCH", "apis/orders", `{"token_lifetime_seconds":60}`, present, ""},
		{200, "GET", "apis", "", "", ""},
		{200, "GET", "apis/orders", "", "", ""},
		{200, "POST", "clients/from-certificate", pem(billing), "", ""},
		{422, "POST", "clients/from-certificate", asJSON(t, map[string]string{"certificate": string(billing.KeyPEM())}), "", "input_invalid"},
		{201, "POST", "clients", asJSON(t, map[string]any{"client_id": "edge", "partner_id": "new", "scope": "orders:read",
			"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwksOf(edge)}), "", ""},
		{409, "POST", "clients", asJSON(t, map[string]any{"client_id": "twin", "partner_id": "new",
			"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwksOf(edge)}), "", "conflict"},
		{200, "PATCH", "clients/edge", `{"client_name":"Edge"}`, present, ""},
		{200, "GET", "clients?partner=new", "", "", ""},
		{200, "GET", "clients/edge", "", "", ""},
		{201, "POST", "clients/edge/certificates", pem(next), "", ""},
		{200, "GET", "clients/edge/certificates", "", "", ""},
		{200, "GET", "certificates/" + thumbprintOf(next), "", "", ""},
		{200, "GET", "certificates?expires_before=2100-01-01T00:00:00Z&limit=1", "", "", ""},
		{422, "GET", "certificates?after=x", "", "", "input_invalid"},
		{200, "POST", "certificates/" + thumbprintOf(next) + "/retire", `{"retire_at":"2100-01-01T00:00:00Z"}`, "", ""},
		{422, "POST", "certificates/" + thumbprintOf(next) + "/retire", `{"retire_at":"2000-01-01T00:00:00Z"}`, "", "input_invalid"},
		{200, "GET", "clients/edge/enrollments", "", "", ""},
		{409, "POST", "enrollments", `{"client_id":"edge"}`, "", "conflict"},
		{404, "GET", "enrollments/none", "", "", "record_unknown"},
		{200, "GET", "enrollment-issuers", "", "", ""},
		{404, "POST", "enrollments/none/cancel", "", "", "record_unknown"},
		{204, "DELETE", "clients/edge/certificates/" + thumbprintOf(next), "", "", ""},
		{409, "DELETE", "clients/edge/certificates/" + thumbprintOf(edge), "", "", "conflict"},
		{409, "DELETE", "apis/orders", "", present, "conflict"},
		{200, "PATCH", "clients/edge", `{"scope":null}`, present, ""},
		{204, "DELETE", "apis/orders", "", present, ""},
		{200, "POST", "clients/edge/disable", "", "", ""},
		{200, "POST", "clients/edge/enable", "", "", ""},
		{200, "POST", "partners/new/lockout", `{"reason":"test"}`, "", ""},
		{200, "POST", "partners/new/restore", "", "", ""},
		{200, "POST", "certificates/" + thumbprintOf(edge) + "/revoke", `{"reason":"test"}`, "", ""},
		{200, "POST", "trust-bundles/new/retire", `{"reason":"test"}`, "", ""},
		{200, "GET", "audit-events?kind=partner.locked", "", "", ""},
		{200, "POST", "audit-checkpoints", "", "", ""},
		{200, "GET", "audit-checkpoints", "", "", ""},
		{200, "GET", "keys", "", "", ""},
		{200, "POST", "keys/rotate", "", "", ""},
		{200, "GET", "issuer", "", "", ""},
		{200, "GET", "openapi.json", "", "", ""},
		{405, "DELETE", "partners/new", "", "", "method_not_allowed"},
		{404, "GET", "nothing", "", "", "route_unknown"},
	} {
		more := []string{}
		if step.ifMatch != "" {
			more = []string{"If-Match", step.ifMatch}
		}
		response := a.expect(t, step.status, step.method, "/admin/v1/"+step.path, step.body, more...)
		if step.reason != "" && reason(t, response) != step.reason {
			t.Errorf("%s %s: %s", step.method, step.path, response)
		}
	}
	var signed struct {
		Checkpoint string `json:"checkpoint"`
	}
	if err := json.Unmarshal(a.expect(t, 200, "POST", "/admin/v1/audit-checkpoints", "").Body, &signed); err != nil {
		t.Fatal(err)
	}
	a.expect(t, 201, "POST", "/admin/v1/audit-prunings", asJSON(t, signed))
	a.expect(t, 422, "POST", "/admin/v1/audit-prunings", `{"checkpoint":"x"}`)
	a.expect(t, 200, "GET", "/admin/v1/audit-prunings?limit=1", "")
	undone := slices.DeleteFunc(a.promised.Operations(), func(id string) bool { return a.seen[id] })
	slices.Sort(undone)
	// Links need a CA (TestEnrolmentKeepsTheDocument), proposals two administrators
	// (TestTwoPairsOfEyes); revokeKey would end the token that asks.
	if got := strings.Join(undone, " "); got != "approveTrustProposal cancelEnrollment createEnrollment getEnrollment getEnrollmentIssuer getTrustProposal rejectTrustProposal removeEnrollmentIssuer revokeKey" {
		t.Errorf("operations that were not done: %s", got)
	}
}

// jwksOf is a registered certificate as RFC 8705 §2.2.2 has it.
func jwksOf(pair keystest.Pair) map[string]any {
	return map[string]any{"keys": []any{harness.CertificateJWK(pair)}}
}

// TestFromNothing starts the server on an empty database and, by command line only,
// brings partners to tokens that the proxy accepts, locks one out and lets it in
// again.
func TestFromNothing(t *testing.T) {
	t.Parallel()
	upstream := newUpstream(t)
	site := harness.NewSite(t, upstream.URL)
	delete(site.Serve, "seed")
	listen := harness.FreePort(t)
	cert, _ := keystest.SelfSigned(t, keystest.CommonName("admin")).WriteFiles(t, site.Dir, "admin")
	site.Serve["admin"] = map[string]any{"listen": "127.0.0.1:" + listen}
	site.Client(t, "rs").WriteFiles(t, site.Dir, "rs")
	site.ProxyCfg["revocations"] = map[string]any{"client_id": "rs", "certificate": "rs.pem", "key": "rs.key"}
	d := site.StartWith(t, "--bootstrap-admin", cert)
	d.Admin, d.CA = "https://localhost:"+listen, "ca.pem"
	d.AdminClient = harness.ClientInfo{ClientID: "admin", Cert: "admin.pem", Key: "admin.key"}

	anchors := filepath.Join(site.Dir, "partners.pem")
	if err := os.WriteFile(anchors, site.Partners.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	pairs := map[string]keystest.Pair{}
	mustAdmin(t, d, "trust", "create", "partners", "--anchors", anchors)
	mustAdmin(t, d, "partner", "create", "acme", "--name", "Acme")
	mustAdmin(t, d, "partner", "create", "globex")
	mustAdmin(t, d, "api", "create", "accounts", "--audience", site.Proxy, "--scope", "accounts:read,accounts:write")
	for id, partner := range map[string]string{"one": "acme", "two": "acme", "three": "globex"} {
		pairs[id] = site.Client(t, id)
		file, _ := pairs[id].WriteFiles(t, site.Dir, id)
		mustAdmin(t, d, "client", "create", id, "--partner", partner, "--bundle", "partners", "--scope", "accounts:read", "--from-cert", file)
	}
	mustAdmin(t, d, "client", "create", "rs", "--partner", "globex", "--bundle", "partners", "--from-cert", filepath.Join(site.Dir, "rs.pem"))
	mustAdmin(t, d, "api", "update", "accounts", "--resource-server", "rs")
	again := asAdmin(t, d, "client", "create", "other", "--partner", "globex", "--bundle", "partners", "--from-cert", filepath.Join(site.Dir, "one.pem"))
	if again.Code != 2 || !strings.Contains(again.Stderr, "conflict") || !strings.Contains(again.Stderr, "(one)") {
		t.Errorf("the same certificate twice: %d %s", again.Code, again.Stderr)
	}
	_, proxy := site.WriteConfigs(t)
	harness.StartProcess(t, d.Stderr, "proxy", "--config", proxy)
	waitListening(t, d, "proxy")

	callers := map[string]*caller{}
	for id := range pairs {
		callers[id] = callerWith(t, d, id, pairs[id])
		if response := callers[id].begins(t); response.Status != http.StatusOK {
			t.Fatalf("%s: %s", id, response)
		}
	}
	mustAdmin(t, d, "client", "disable", "two")
	mustAdmin(t, d, "partner", "lockout", "acme", "--reason", "stolen laptop")
	if why := callers["one"].ends(t); why != "client_disabled" {
		t.Errorf("one was refused for %s", why)
	}
	expectMentions(t, mustAdmin(t, d, "partner", "list"), "locked out")
	pair := pairs["one"]
	if response := d.PostToken(t, &pair, harness.TokenForm("one")); response.Status != http.StatusUnauthorized {
		t.Errorf("a token during the lockout: %s", response)
	}
	if response := callers["three"].call(t); response.Status != http.StatusOK {
		t.Errorf("another partner's: %s", response)
	}
	mustAdmin(t, d, "partner", "restore", "acme")
	if response := callers["one"].call(t); response.Status != http.StatusUnauthorized {
		t.Errorf("a token of before the lockout: %s", response)
	}
	if response := callerWith(t, d, "one", pair).call(t); response.Status != http.StatusOK {
		t.Errorf("after the lockout: %s", response)
	}
	two := pairs["two"]
	if response := d.PostToken(t, &two, harness.TokenForm("two")); response.Status != http.StatusUnauthorized {
		t.Errorf("who was disabled before: %s", response)
	}

	// A trust bundle's change takes effect on the next request.
	mustAdmin(t, d, "trust", "retire", "partners", "--reason", "test")
	if response := d.PostToken(t, &pair, harness.TokenForm("one")); response.Status != http.StatusUnauthorized {
		t.Errorf("without a trust bundle: %s", response)
	}
	mustAdmin(t, d, "trust", "rollback", "partners", "1")
	if response := d.PostToken(t, &pair, harness.TokenForm("one")); response.Status != http.StatusOK {
		t.Errorf("after the roll-back: %s", response)
	}
	for kind, n := range map[string]int{"partner.created": 2, "client.created": 4, "partner.locked": 1, "partner.restored": 1, "trust_bundle.changed": 1} {
		events := mustAdmin(t, d, "audit", "export", "--kind", kind)
		if got := strings.Count(events, "\n"); got != n || strings.Count(events, `"actor":"admin"`) != n {
			t.Errorf("%d events %s:\n%s", got, kind, events)
		}
	}
	verified := harness.Run(t, "audit", "verify", "--config", filepath.Join(site.Dir, "serve.yaml"))
	if verified.Code != 0 {
		t.Errorf("audit verify: %d %s", verified.Code, verified.Stderr)
	}
}

func callerWith(t *testing.T, d *harness.Dev, id string, pair keystest.Pair) *caller {
	t.Helper()
	c := &caller{d: d, pair: pair, client: d.HTTPClient(t, &pair, nil)}
	c.token = d.Token(t, &pair, harness.TokenForm(id)).AccessToken
	return c
}

func waitListening(t *testing.T, d *harness.Dev, listener string) {
	t.Helper()
	d.Stderr.WaitFor(t, listener+" listening", func(l harness.Line) bool {
		return l.Text("msg") == "listening" && l.Text("listener") == listener
	})
}

// TestKilledDuringChanges kills the server while an administrator registers. What
// was acknowledged is there, and what is there has its one audit event; nothing is
// half.
func TestKilledDuringChanges(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-9")
	dir := t.TempDir()
	ports := []string{"--authz-addr", "127.0.0.1:" + harness.FreePort(t), "--proxy-addr", "127.0.0.1:" + harness.FreePort(t)}
	acknowledged := map[string]bool{}
	for round := range 3 {
		d := harness.StartIn(t, dir, ports...)
		a := newAdministrator(t, d)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; ; i++ {
				id := fmt.Sprintf("p%d-%d", round, i)
				header := http.Header{"Authorization": {"Bearer " + a.token}, "Content-Type": {"application/json"}}
				response, err := d.Try(t, harness.Request{Method: "POST", URL: d.Admin + "/admin/v1/partners", Header: header, Body: `{"id":"` + id + `"}`, Client: a.client})
				if err != nil {
					return
				}
				if response.Status == http.StatusCreated {
					acknowledged[id] = true
				}
				if i == 20+7*round {
					go func() { _ = d.Kill() }() // while the next one is under way
				}
			}
		}()
		<-done
		_ = d.Kill()
	}
	d := harness.StartIn(t, dir, ports...)
	a := newAdministrator(t, d)
	stored := map[string]bool{}
	for path := "/admin/v1/partners?limit=500"; path != ""; {
		response := a.expect(t, 200, "GET", path, "")
		var page struct{ Partners []struct{ ID string } }
		if err := json.Unmarshal(response.Body, &page); err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Partners {
			stored[p.ID] = strings.HasPrefix(p.ID, "p") && strings.Contains(p.ID, "-")
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(response.Header.Get("Link"), "<"), ">")
	}
	events := map[string]int{}
	for line := range strings.Lines(mustAdmin(t, d, "audit", "export", "--kind", "partner.created")) {
		var e struct{ Partner string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events[e.Partner]++
	}
	for id := range acknowledged {
		if !stored[id] {
			t.Errorf("%s was acknowledged and is not there", id)
		}
	}
	for id, ours := range stored {
		if ours && events[id] != 1 {
			t.Errorf("%s is there with %d audit events", id, events[id])
		}
	}
	for id := range events {
		if !stored[id] {
			t.Errorf("%s has an audit event and is not there", id)
		}
	}
	if len(acknowledged) < 60 {
		t.Errorf("only %d changes were acknowledged", len(acknowledged))
	}
}
