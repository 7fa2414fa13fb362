package conformance

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// adminOperation is one of the document that the server serves.
type adminOperation struct {
	method, path, id string
	body, dry        bool
}

// described reads the operations of the served document, and says for a path which
// methods it has.
func (a *administrator) described(t *testing.T) (all []adminOperation, methods func(path string) []string) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			RequestBody any    `json:"requestBody"`
			Parameters  []struct{ Name string }
		}
	}
	if err := json.Unmarshal(a.expect(t, 200, "GET", "/admin/v1/openapi.json", "").Body, &document); err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\{[^}]+\}`)
	for path, operations := range document.Paths {
		for method, o := range operations {
			dry := slices.ContainsFunc(o.Parameters, func(p struct{ Name string }) bool { return p.Name == "dry_run" })
			all = append(all, adminOperation{strings.ToUpper(method), path, o.OperationID, o.RequestBody != nil, dry})
		}
	}
	slices.SortFunc(all, func(a, b adminOperation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all, func(path string) (methods []string) {
		for _, o := range all {
			if regexp.MustCompile("^" + variable.ReplaceAllString(o.path, "[^/]+") + "$").MatchString(path) {
				methods = append(methods, o.method)
			}
		}
		slices.Sort(methods)
		return methods
	}
}

// somewhere is a path of the route that names no record.
func (o adminOperation) somewhere() string {
	return strings.NewReplacer("{x5t}", strings.Repeat("A", 43), "{version}", "1", "{id}", "none", "{kid}", "none").Replace(o.path)
}

// any is the header that makes a change of a record one of any state of it.
func (o adminOperation) any() []string {
	if o.method == "PATCH" || o.method == "DELETE" {
		return []string{"If-Match", "*"}
	}
	return nil
}

// refusedPlainly wants a refusal that gives its stable reason and nothing of what is
// inside: the caller's fault, in words made for callers.
func refusedPlainly(t *testing.T, what string, r *harness.Response, statuses ...int) {
	t.Helper()
	if r.Status < 400 || r.Status >= 500 || len(statuses) > 0 && !slices.Contains(statuses, r.Status) {
		t.Errorf("%s: %s, want %v", what, r, statuses)
		return
	}
	if reason(t, r) == "" {
		t.Errorf("%s: no reason", what)
	}
	for _, inside := range []string{"goroutine", ".go:", "sql", "SELECT", "INSERT", "constraint", "acme-edge"} {
		if strings.Contains(string(r.Body), inside) {
			t.Errorf("%s: the answer has %q: %s", what, inside, r.Body)
		}
	}
}

// TestEveryAdminRouteRefuses walks the served document: methods that no path has,
// callers who are nobody or may only look, and bodies that are no bodies.
func TestEveryAdminRouteRefuses(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	a := newAdministrator(t, d)
	a.promised = nil // TestAdminKeepsItsDocument holds answers against it
	all, methods := a.described(t)
	looker := newLooker(t, a)
	stranger := d.Pair(t, "acme-billing")
	nobody := &administrator{d: d, client: d.HTTPClient(t, &stranger, nil), token: a.token}
	for _, o := range all {
		at, what := o.somewhere(), o.method+" "+o.path
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get"} {
			if slices.Contains(methods(at), method) {
				continue
			}
			response := a.send(t, method, at, "")
			refusedPlainly(t, method+" "+at, response, http.StatusMethodNotAllowed)
			if allow := strings.Split(response.Header.Get("Allow"), ", "); !slices.Equal(allow, methods(at)) {
				t.Errorf("%s %s: Allow %q, the document has %q", method, at, allow, methods(at))
			}
		}
		if o.id == "getDocument" || o.id == "getIssuer" {
			continue
		}
		refusedPlainly(t, what+" with a stolen token", nobody.send(t, o.method, at, ""), http.StatusUnauthorized)
		if o.method != "GET" && o.id != "readCertificate" {
			refusedPlainly(t, what+" by who may look", looker.send(t, o.method, at, "{}"), http.StatusForbidden)
		}
		if !o.body {
			continue
		}
		for _, body := range []string{
			"null", "[]", `"x"`, "1", "{", `{"reason":"x"}x`, `{"reason":"x","reason":"x"}`, `{"unheard_of":1}`, `{"unheard_of":null}`,
			"\ufeff{}", "{}\x00", "{\"reason\":\"\xff\"}", `{"reason":"\u0000"}`, `{"id":"\u009b","name":"\u009b","client_id":"\u009b","reason":"\u009b"}`,
			`{"reason":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, `{"max_depth":1e999}`, `{"` + strings.Repeat("k", 30000) + `":1}`,
		} {
			refusedPlainly(t, fmt.Sprintf("%s %.40q", what, body), a.send(t, o.method, at, body, "If-Match", "*"))
		}
		refusedPlainly(t, what+" as a form", a.send(t, o.method, at, "a=b", "Content-Type", harness.FormType, "If-Match", "*"), 415)
		refusedPlainly(t, what+" compressed", a.send(t, o.method, at, "{}", "Content-Encoding", "gzip", "If-Match", "*"), 415)
	}
}

// newLooker is an administrator who may see everything and change nothing.
func newLooker(t *testing.T, root *administrator) *administrator {
	t.Helper()
	pair := keystest.SelfSigned(t, keystest.CommonName("looker"))
	root.expect(t, 201, "POST", "/admin/v1/clients", asJSON(t, map[string]any{"client_id": "looker", "partner_id": "acme",
		"scope": "admin:read", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwksOf(pair)}))
	looker := &administrator{d: root.d, client: root.d.HTTPClient(t, &pair, nil)}
	looker.token = root.d.Token(t, &pair, harness.TokenForm("looker", "resource", root.d.Issuer+"/admin")).AccessToken
	return looker
}

// TestTriedChangesStoreNothing does every change of the document as a dry run, and
// again on a condition that does not hold. Afterwards the database is what it was.
func TestTriedChangesStoreNothing(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	a := newAdministrator(t, d)
	all, _ := a.described(t)
	edge, next := d.Pair(t, "acme-edge"), keystest.SelfSigned(t, keystest.CommonName("next"))
	ca := keystest.NewCA(t, "New CA")
	why, pem := `{"reason":"test"}`, asJSON(t, map[string]string{"certificate": string(next.CertPEM())})
	anchors := asJSON(t, map[string]string{"anchors": string(ca.CertPEM())})
	changes := map[string]struct{ path, body string }{
		"createPartner": {"", `{"id":"new"}`}, "patchPartner": {"acme", `{"name":"Other","disabled":true}`},
		"lockOutPartner": {"acme", why}, "restorePartner": {"acme", ""},
		"createAPI": {"", `{"id":"new","audience":"https://new.test","scopes":["new"],"signing_alg":"PS256"}`},
		"patchAPI":  {"accounts", `{"token_lifetime_seconds":7,"signing_alg":"EdDSA"}`}, "deleteAPI": {"unused", ""},
		"createTrustBundle": {"", asJSON(t, map[string]string{"name": "new", "anchors": string(ca.CertPEM())})},
		"patchTrustBundle":  {"globex", anchors}, "rollBackTrustBundle": {"globex", `{"version":1}`}, "retireTrustBundle": {"globex", why},
		"createClient": {"", asJSON(t, map[string]any{"client_id": "new", "partner_id": "acme",
			"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwksOf(next)})},
		"patchClient": {"acme-edge", `{"scope":null}`}, "disableClient": {"acme-edge", ""}, "enableClient": {"acme-edge", ""},
		"addCertificate": {"acme-edge", pem}, "removeCertificate": {"two", ""},
		"retireCertificate": {thumbprintOf(edge), "{}"}, "revokeCertificate": {thumbprintOf(edge), why},
		"rotateKey": {"", ""}, "revokeKey": {"", why}, "addCheckpoint": {"", ""}, "addPruning": {"", ""},
	}
	// These need a CA that is online, or two administrators, as their own tests have.
	elsewhere := []string{"cancelEnrollment", "removeEnrollmentIssuer", "approveTrustProposal", "rejectTrustProposal"}
	a.expect(t, 201, "POST", "/admin/v1/apis", `{"id":"unused","audience":"https://unused.test","scopes":["unused"]}`)
	two := keystest.SelfSigned(t, keystest.CommonName("two"))
	a.expect(t, 201, "POST", "/admin/v1/clients", asJSON(t, map[string]any{"client_id": "two", "partner_id": "acme",
		"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": map[string]any{"keys": []any{harness.CertificateJWK(two), harness.CertificateJWK(keystest.SelfSigned(t))}}}))
	kid := a.settledKeys(t)
	var signed struct {
		Checkpoint string `json:"checkpoint"`
	}
	if err := json.Unmarshal(a.expect(t, 200, "POST", "/admin/v1/audit-checkpoints", "").Body, &signed); err != nil {
		t.Fatal(err)
	}
	before := records(t, d)
	for _, o := range all {
		if !o.dry || slices.Contains(elsewhere, o.id) {
			continue
		}
		change, ok := changes[o.id]
		if !ok {
			t.Errorf("%s is not tried", o.id)
		}
		at := strings.NewReplacer("{kid}", kid, "{id}", change.path, "{x5t}", change.path).Replace(o.path)
		switch o.id {
		case "removeCertificate":
			at = "/admin/v1/clients/two/certificates/" + thumbprintOf(two)
		case "addPruning":
			change.body = asJSON(t, signed)
		}
		a.expect(t, 200, o.method, at+"?dry_run=true", change.body, o.any()...)
		for name, value := range map[string]string{"If-Match": `"another"`, "If-None-Match": `"another"`, "If-Unmodified-Since": "Sun, 22 Nov 2026 00:00:00 GMT"} {
			refusedPlainly(t, o.id+" on condition of "+name, a.send(t, o.method, at, change.body, append(o.any(), name, value)...), 412, 422)
		}
		if after := records(t, d); !maps.Equal(before, after) {
			t.Errorf("%s has stored something", o.id)
			before = after
		}
	}
}

// settledKeys waits until each purpose has its next key, which is made in the
// background, and returns the kid of one that signs.
func (a *administrator) settledKeys(t *testing.T) (kid string) {
	t.Helper()
	eventually(t, "every purpose has its next key", func() bool {
		var list struct {
			Keys []struct{ KID, Purpose, Status string }
		}
		if err := json.Unmarshal(a.expect(t, 200, "GET", "/admin/v1/keys", "").Body, &list); err != nil {
			t.Fatal(err)
		}
		waiting := 0
		for _, k := range list.Keys {
			switch k.Status {
			case "active":
				kid, waiting = k.KID, waiting+1
			case "next":
				waiting--
			}
		}
		return waiting == 0
	})
	return kid
}

// records is what the database holds, a hash for each table. The audit trail, which
// refusals are written to, and notes of certificates in use are left out.
func records(t *testing.T, d *harness.Dev) map[string][sha256.Size]byte {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+databaseOf(d)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := map[string][sha256.Size]byte{}
	for table := range column(t, databaseOf(d), "SELECT name FROM sqlite_master WHERE type = 'table'") {
		query := "SELECT * FROM " + table
		if table == "certificates" {
			query = "SELECT thumbprint, client_id, source, retire_at FROM certificates WHERE source <> 'seen'"
		}
		if !strings.HasPrefix(table, "audit_") {
			all[table] = sha256.Sum256([]byte(strings.Join(rows(t, db, query), "\n")))
		}
	}
	return all
}

func rows(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	found, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(values))
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// TestOneEffectOfManyAtOnce: of many requests with one Idempotency-Key one does
// something, and all get its answer.
func TestOneEffectOfManyAtOnce(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	a := newAdministrator(t, d)
	a.promised = nil // it counts, and these come at once
	var group sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	for range 20 {
		group.Go(func() {
			response := a.send(t, "POST", "/admin/v1/partners", `{"name":"once"}`, "Idempotency-Key", "k")
			var partner struct{ ID string }
			if err := json.Unmarshal(response.Body, &partner); err != nil || response.Status != 201 {
				t.Errorf("%s", response)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[partner.ID]++
		})
	}
	group.Wait()
	if len(ids) != 1 || strings.Count(string(a.send(t, "GET", "/admin/v1/partners", "").Body), `"once"`) != 1 {
		t.Errorf("%v", ids)
	}
}

// TestCommandsSendNoPrivateKey: who names the wrong one of two files is told before
// anything has left the machine.
func TestCommandsSendNoPrivateKey(t *testing.T) {
	d := harness.Shared(t)
	pair := keystest.SelfSigned(t)
	_, key := pair.WriteFiles(t, t.TempDir(), "wrong")
	for _, args := range [][]string{
		{"client", "create", "new", "--partner", "acme", "--bundle", "partners", "--from-cert", key},
		{"cert", "add", "acme-edge", key},
		{"trust", "create", "new", "--anchors", key},
		{"partner", "create", "--file", key},
	} {
		result := asAdmin(t, d, args...)
		if result.Code != 1 || !strings.Contains(result.Stderr, "holds a private key") || !strings.Contains(result.Stderr, "nothing was sent") {
			t.Errorf("%s: %d %s%s", args[:2], result.Code, result.Stdout, result.Stderr)
		}
	}
}
