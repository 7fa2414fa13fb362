package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

func (a as) patch(path, body, ifMatch string) authztest.Answer {
	a.w.T.Helper()
	return a.do("PATCH", path, body, "Content-Type", "application/merge-patch+json", "If-Match", ifMatch)
}

func mustBe(t *testing.T, a authztest.Answer, status int) {
	t.Helper()
	_ = want(t, a, status) // for its body nobody asks
}

func want(t *testing.T, a authztest.Answer, status int) authztest.Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("%d %s, want %d", a.Status, a.Body, status)
	}
	return a
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// insist sends a request until the database has time for it, as the Retry-After of a
// 503 asks. It is for goroutines.
func (a as) insist(method, path, body string, more ...string) authztest.Answer {
	for {
		answer, err := authztest.Do(a.client, a.request(method, path, body, more...))
		if err != nil || answer.Status != 503 {
			return answer
		}
	}
}

// selfSigned is the registration of a client that is known by the pair.
func selfSigned(t *testing.T, id string, pair keystest.Pair) string {
	t.Helper()
	client, err := admin.SelfSigned(id, "acme", pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	return text(t, client)
}

// TestLifeOfARecord takes one of each kind from registration to its last change. The
// ETag of an answer is the one to change the record with.
func TestLifeOfARecord(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	ca := string(keystest.NewCA(t, "Issuing").CertPEM())
	for _, r := range []struct {
		list, id, body, patch, has string
		created, changed           audit.Kind
	}{
		{"partners", "initech", `{"id":"initech","name":"Initech"}`, `{"name":null}`, `"name":"Initech"`, audit.PartnerCreated, audit.PartnerChanged},
		{"apis", "orders", `{"id":"orders","audience":"https://orders.example","scopes":["orders:read"]}`, `{"scopes":["orders:read","orders:write"],"resource_servers":["client-b"]}`, `"scopes":["orders:read"]`, audit.APICreated, audit.APIChanged},
		{"clients", "odd%2Fid", `{"client_id":"odd/id","partner_id":"acme","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"x.example","trust_bundle":"partners","scope":"accounts:read"}`, `{"client_name":"X"}`, `"scope":"accounts:read"`, audit.ClientCreated, audit.ClientChanged},
		{"trust-bundles", "issuing", text(t, registration.TrustBundle{Name: "issuing", Anchors: ca}), `{"max_depth":2}`, `"version":1`, audit.TrustBundleCreated, audit.TrustBundleChanged},
	} {
		t.Run(r.list, func(t *testing.T) {
			path := "/admin/v1/" + r.list + "/" + r.id
			w.wantProblem(t, root.get(path), 404, "record_unknown")
			dry := want(t, root.post("/admin/v1/"+r.list+"?dry_run=true", r.body), 200)
			if !strings.Contains(dry.Body, `"dry_run":true`) || !strings.Contains(dry.Body, r.has) || strings.Contains(dry.Body, `"before"`) {
				t.Errorf("dry run %s", dry.Body)
			}
			w.wantProblem(t, root.get(path), 404, "record_unknown")
			created := want(t, root.post("/admin/v1/"+r.list, r.body), 201)
			if created.Header.Get("Location") != path || !strings.Contains(created.Body, r.has) {
				t.Errorf("%v %s", created.Header, created.Body)
			}
			w.wantProblem(t, root.post("/admin/v1/"+r.list, r.body), 409, "conflict")
			tag := created.Header.Get("ETag")
			if got := want(t, root.get(path), 200); got.Header.Get("ETag") != tag {
				t.Errorf("ETag %s, then %s", tag, got.Header.Get("ETag"))
			}
			if list := want(t, root.get("/admin/v1/"+r.list), 200); !strings.Contains(list.Body, `"created_at"`) {
				t.Errorf("list %s", list.Body)
			}
			w.wantProblem(t, root.do("PATCH", path, r.patch, "Content-Type", "application/merge-patch+json"), 428, "precondition_required")
			w.wantProblem(t, root.patch(path, r.patch, `"other"`), 412, "record_stale")
			w.wantProblem(t, root.do("PATCH", path, r.patch, "If-Match", tag), 415, "media_type_unsupported")
			changed := want(t, root.patch(path, r.patch, tag), 200)
			if changed.Header.Get("ETag") == tag {
				t.Error("the ETag is the same after a change")
			}
			w.wantProblem(t, root.patch(path, r.patch, tag), 412, "record_stale")
			mustBe(t, root.patch(path, `{}`, changed.Header.Get("ETag")), 200)
			for kind, parts := range map[audit.Kind][]string{r.created: {`"after":{`}, r.changed: {`"before":{`, `"after":{`}} {
				events := w.Events(kind)
				if len(events) != 1 || events[0].Actor != "root" || len(events[0].RequestID) != 32 {
					t.Fatalf("%s: %+v", kind, events)
				}
				for _, part := range append(parts, `"remote_addr":"`) {
					if !strings.Contains(events[0].Detail, part) {
						t.Errorf("%s: %s", kind, events[0].Detail)
					}
				}
			}
		})
	}
	generated := decode[admin.PartnerView](t, want(t, root.post("/admin/v1/partners", `{}`), 201))
	if len(generated.ID) != 26 {
		t.Errorf("generated %+v", generated)
	}
	// An API goes when nobody holds its scopes; the reserved one never.
	tag := root.get("/admin/v1/apis/orders").Header.Get("ETag")
	w.wantProblem(t, root.do("DELETE", "/admin/v1/apis/orders", ""), 428, "precondition_required")
	mustBe(t, root.do("DELETE", "/admin/v1/apis/orders?dry_run=true", "", "If-Match", tag), 200)
	mustBe(t, root.do("DELETE", "/admin/v1/apis/orders", "", "If-Match", tag), 204)
	w.wantProblem(t, root.get("/admin/v1/apis/orders"), 404, "record_unknown")
	held := root.do("DELETE", "/admin/v1/apis/accounts", "", "If-Match", "*")
	w.wantProblem(t, held, 409, "conflict")
	if !strings.Contains(held.Body, `"owner":"odd/id"`) {
		t.Errorf("who holds it: %s", held.Body)
	}
	w.wantProblem(t, root.do("DELETE", "/admin/v1/apis/certbound-admin", "", "If-Match", "*"), 409, "conflict")
	w.wantProblem(t, root.patch("/admin/v1/apis/certbound-admin", `{"scopes":["x"]}`, "*"), 409, "conflict")
}

// TestInputOfRecords: every member is named at once, none is repeated.
func TestInputOfRecords(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	const secret = "hunter2-hunter2"
	for _, tt := range []struct {
		path, body string
		pointers   string
	}{
		{"partners", `{"id":"` + secret + ` x","nome":"` + secret + `","disabled":"` + secret + `"}`, "/disabled /nome"},
		{"partners", `{"id":"` + secret + ` x","name":"\u0001"}`, "/id /name"},
		{"partners", `{"ID":"x"}`, "/ID"},
		{"partners", `[]`, ""},
		{"apis", `{"audience":"` + secret + `","scopes":["a","` + secret + ` x","admin:` + secret + `"],"token_lifetime_seconds":3601}`, "/audience /token_lifetime_seconds /scopes/1 /scopes/2"},
		{"apis", `{"id":"x"}`, "/audience /scopes"},
		{"apis", `{"id":"x","audience":"https://x.example","scopes":["x"],"resource_servers":["nobody"]}`, "/resource_servers"},
		{"clients", `{"client_id":"x","partner_id":"nobody","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"n.example","trust_bundle":"nothing","scope":"` + secret + `"}`, "/partner_id /trust_bundle /scope"},
		{"clients", `{"client_id":"x y","partner_id":"","token_endpoint_auth_method":"client_secret_basic","scope":"a  b"}`, "/client_id /partner_id /scope /token_endpoint_auth_method"},
		{"clients", `{"client_id":"x","partner_id":"acme","token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{"keys":[{"kty":"oct","k":"` + secret + `"}]}}`, "/jwks/keys/0"},
		{"clients", `{"client_id":"x","partner_id":"acme","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"` + secret + `","tls_client_auth_san_dns":"a..b"}`, "/tls_client_auth_san_dns /token_endpoint_auth_method"},
		{"trust-bundles", `{"name":"x","anchors":"` + secret + `","max_depth":11}`, "/max_depth"},
		{"trust-bundles", `{"name":"x","anchors":"` + secret + `","issuers":"` + secret + `"}`, "/anchors /issuers"},
		{"clients/root/certificates", `{"certificate":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}`, "/certificate"},
		{"clients/from-certificate", `{"certificate":"` + secret + `"}`, "/certificate"},
	} {
		a := root.post("/admin/v1/"+tt.path, tt.body)
		w.wantProblem(t, a, 422, "input_invalid")
		var p struct {
			Errors []struct{ Pointer, Field, Detail string }
		}
		if err := json.Unmarshal([]byte(a.Body), &p); err != nil {
			t.Fatal(err)
		}
		var pointers []string
		for _, e := range p.Errors {
			pointers = append(pointers, e.Pointer)
		}
		if got := strings.Join(pointers, " "); tt.pointers != "" && got != tt.pointers {
			t.Errorf("%s %s: %s", tt.path, tt.body, a.Body)
		}
		if strings.Contains(a.Body, secret) {
			t.Errorf("%s %s: the answer repeats the input: %s", tt.path, tt.body, a.Body)
		}
	}
	for body, reason := range map[string]string{
		`{"id":"a","id":"b"}`: "request_malformed", "{\"id\":\"\xff\"}": "request_malformed", ``: "request_malformed",
		`{"id":` + strings.Repeat(`[`, 20) + strings.Repeat(`]`, 20) + `}`: "request_malformed",
	} {
		w.wantProblem(t, root.post("/admin/v1/partners", body), 400, reason)
	}
	w.wantProblem(t, root.post("/admin/v1/partners", `{"name":"`+strings.Repeat("x", 64<<10)+`"}`), 413, "request_too_large")
	w.wantProblem(t, root.post("/admin/v1/partners?dry_run=yes", `{}`), 422, "input_invalid")
	w.wantProblem(t, root.post("/admin/v1/partners?dryrun=true", `{}`), 422, "input_invalid")
	w.wantProblem(t, root.post("/admin/v1/enrollments?dry_run=true", ``), 422, "input_invalid")
	w.wantProblem(t, root.do("POST", "/admin/v1/enrollments", ``, "Idempotency-Key", "k"), 422, "input_invalid")
	for pointer, patch := range map[string]string{"/id": `{"id":"globex"}`, "/nope": `{"nope":null}`} {
		a := root.patch("/admin/v1/partners/acme", patch, "*")
		w.wantProblem(t, a, 422, "input_invalid")
		if !strings.Contains(a.Body, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s", a.Body)
		}
	}
	w.wantProblem(t, root.patch("/admin/v1/clients/client-a", `{"partner_id":"globex"}`, "*"), 422, "input_invalid")
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	post := func(caller as, key, body string) authztest.Answer {
		return caller.do("POST", "/admin/v1/partners", body, "Idempotency-Key", key)
	}
	first := want(t, post(root, "k1", `{"name":"one"}`), 201)
	again := want(t, post(root, "k1", `{"name":"one"}`), 201)
	if again.Body != first.Body || again.Header.Get("ETag") != first.Header.Get("ETag") || again.Header.Get("Location") != first.Header.Get("Location") ||
		again.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("%v %s, then %v %s", first.Header, first.Body, again.Header, again.Body)
	}
	w.wantProblem(t, post(root, "k1", `{"name":"two"}`), 422, "idempotency_key_reused")
	if other := want(t, post(w.as("deputy"), "k1", `{"name":"one"}`), 201); other.Body == first.Body {
		t.Error("another caller's key is the same")
	}
	// What was refused left nothing behind, and a dry run keeps no answer.
	w.wantProblem(t, post(root, "k2", `{"id":"acme"}`), 409, "conflict")
	mustBe(t, root.do("POST", "/admin/v1/partners?dry_run=true", `{"id":"fine"}`, "Idempotency-Key", "k2"), 200)
	mustBe(t, post(root, "k2", `{"id":"fine"}`), 201)
	w.wantProblem(t, post(root, "k 3", `{}`), 422, "input_invalid")
	w.wantProblem(t, post(root, strings.Repeat("k", 256), `{}`), 422, "input_invalid")
	if events := w.Events(audit.PartnerCreated); len(events) != 3 {
		t.Errorf("%d events", len(events))
	}
	w.Advance(24*time.Hour + time.Second)
	late := want(t, post(w.as("root"), "k1", `{"name":"one"}`), 201)
	if late.Body == first.Body {
		t.Error("the answer is kept for longer than a day")
	}

	var done sync.WaitGroup
	caller, answers := w.as("root"), make([]authztest.Answer, 20)
	for i := range answers {
		done.Go(func() {
			answers[i] = caller.insist("POST", "/admin/v1/partners", `{"name":"race"}`, "Idempotency-Key", "race")
		})
	}
	done.Wait()
	for _, a := range answers {
		if a.Status != 201 || a.Body != answers[0].Body {
			t.Fatalf("%d %s, another %s", a.Status, a.Body, answers[0].Body)
		}
	}
}

// TestOneCertificateOneClient: of fifty who register the same certificate at the same
// time one wins, and the others learn who (RFC 8705 §2.2, seeds of shared keys).
func TestOneCertificateOneClient(t *testing.T) {
	w := newWorld(t)
	root, pair := w.as("root"), keystest.SelfSigned(t)
	var done sync.WaitGroup
	answers := make([]authztest.Answer, 50)
	for i := range answers {
		body := selfSigned(t, fmt.Sprintf("race-%d", i), pair)
		done.Go(func() { answers[i] = root.insist("POST", "/admin/v1/clients", body) })
	}
	done.Wait()
	winner := decode[admin.RegisteredCertificate](t, want(t, root.get("/admin/v1/certificates/"+thumbprint.Of(pair.Cert).String()), 200)).ClientID
	if len(w.Events(audit.ClientCreated)) != 1 {
		t.Fatal("more than one is recorded")
	}
	for i, a := range answers {
		if won := winner == fmt.Sprintf("race-%d", i); a.Status == 201 && !won {
			t.Errorf("race-%d won, too", i)
		} else if a.Status != 201 && (a.Status != 409 || !strings.Contains(a.Body, `"owner":"`+winner+`"`)) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	other := text(t, admin.CertificateBody{Certificate: string(pair.CertPEM())})
	a := root.post("/admin/v1/clients/root/certificates", other)
	w.wantProblem(t, a, 409, "conflict")
	if !strings.Contains(a.Body, `"owner":"`+winner+`"`) {
		t.Errorf("%s", a.Body)
	}
	found := decode[admin.RegisteredCertificate](t, want(t, root.get("/admin/v1/certificates/"+thumbprint.Of(pair.Cert).String()), 200))
	if found.ClientID != winner {
		t.Errorf("%+v", found)
	}
}

// TestOneSubjectOneClient: within a trust bundle; in another one it is a warning.
func TestOneSubjectOneClient(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	ca := keystest.NewCA(t, "Other")
	mustBe(t, root.post("/admin/v1/trust-bundles", text(t, registration.TrustBundle{Name: "other", Anchors: string(ca.CertPEM())})), 201)
	body := func(id, bundle, dns string) string {
		return text(t, registration.Client{ClientID: id, PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: dns, TrustBundle: bundle})
	}
	a := root.post("/admin/v1/clients", body("x", "partners", "CLIENT-A.example"))
	w.wantProblem(t, a, 409, "conflict")
	if !strings.Contains(a.Body, `"owner":"client-a"`) || !strings.Contains(a.Body, `"pointer":"/tls_client_auth_san_dns"`) {
		t.Errorf("%s", a.Body)
	}
	view := decode[admin.ClientAnswer](t, want(t, root.post("/admin/v1/clients", body("x", "other", "client-a.example")), 201))
	if len(view.Warnings) != 1 || view.Warnings[0].Code != "same_subject" || view.Warnings[0].Owner != "client-a" {
		t.Errorf("warnings %+v", view.Warnings)
	}
	w.wantProblem(t, root.patch("/admin/v1/clients/client-b", `{"tls_client_auth_san_dns":"client-a.example"}`, "*"), 409, "conflict")
}

// TestEffectsOfAChange: what ends rights ends tokens (design rule 11).
func TestEffectsOfAChange(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	first, second := keystest.SelfSigned(t), keystest.SelfSigned(t)
	mustBe(t, root.post("/admin/v1/clients", selfSigned(t, "edge", first)), 201)
	generation := func(a authztest.Answer) int64 { return decode[admin.ClientAnswer](t, want(t, a, 200)).Generation }
	const path = "/admin/v1/clients/edge"
	added := text(t, admin.CertificateBody{Certificate: string(second.CertPEM())})
	mustBe(t, root.post(path+"/certificates?dry_run=true", added), 200)
	mustBe(t, root.post(path+"/certificates", added), 201)
	if list := decode[admin.CertificateList](t, want(t, root.get(path+"/certificates"), 200)); len(list.Certificates) != 2 {
		t.Errorf("%+v", list)
	}
	for _, step := range []struct {
		patch string
		want  int64
	}{
		{`{"client_name":"Edge"}`, 1}, {`{"scope":"accounts:read payments:write"}`, 1}, {`{"scope":"accounts:read"}`, 2},
		{`{"disabled":true}`, 3}, {`{"disabled":null}`, 3},
		{`{"token_endpoint_auth_method":"tls_client_auth","jwks":null,"trust_bundle":"partners","tls_client_auth_san_uri":"urn:a"}`, 4},
		{`{"tls_client_auth_san_uri":"urn:b"}`, 5},
	} {
		switch step.want {
		case 4: // one certificate less, before the method changes
			x5t := thumbprint.Of(second.Cert).String()
			mustBe(t, root.do("DELETE", path+"/certificates/"+x5t, ""), 204)
			w.wantProblem(t, root.do("DELETE", path+"/certificates/"+x5t, ""), 404, "record_unknown")
			w.wantProblem(t, root.do("DELETE", path+"/certificates/"+thumbprint.Of(first.Cert).String(), ""), 409, "conflict")
			if got := generation(root.get(path)); got != 4 {
				t.Errorf("after a certificate went: generation %d", got)
			}
			step.want = 5
		case 5:
			step.want = 6
		}
		if got := generation(root.patch(path, step.patch, "*")); got != step.want {
			t.Errorf("%s: generation %d, want %d", step.patch, got, step.want)
		}
	}
	newest := map[string]int64{}
	for _, entry := range w.feed(t) {
		newest[entry.Subject] = entry.MinGeneration
	}
	if newest["edge"] != 6 || len(newest) != 1 {
		t.Errorf("feed %v", newest)
	}
	for kind, n := range map[audit.Kind]int{audit.CertificateAdded: 1, audit.CertificateRemoved: 1, audit.ClientDisabled: 1, audit.ClientEnabled: 1, audit.ClientChanged: 5} {
		if events := w.Events(kind); len(events) != n || strings.Contains(text(t, events), "BEGIN CERT") {
			t.Errorf("%d events %s", len(events), kind)
		}
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	for i := range 5 {
		mustBe(t, root.post("/admin/v1/partners", fmt.Sprintf(`{"id":"p%d"}`, i)), 201)
	}
	var ids []string
	for path := "/admin/v1/partners?limit=3"; path != ""; {
		a := want(t, root.get(path), 200)
		for _, p := range decode[admin.PartnerPage](t, a).Partners {
			ids = append(ids, p.ID)
		}
		next, _, _ := strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "<"), ">")
		path = next
	}
	if got := strings.Join(ids, " "); got != "acme globex operations p0 p1 p2 p3 p4" {
		t.Errorf("%s", got)
	}
	for query, want := range map[string]string{
		"partner=globex": "client-c", "trust_bundle=partners&limit=1": "accounts-rs", "scope=admin:write": "deputy root writer", "partner=none": "",
		"partner=acme&scope=admin:write": "deputy writer",
	} {
		var ids []string
		for _, c := range decode[admin.ClientPage](t, root.get("/admin/v1/clients?"+query)).Clients {
			ids = append(ids, c.ClientID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	for _, bad := range []string{"partners?limit=0", "partners?name=x", "apis?after=", "clients?scope=a&scope=b"} {
		w.wantProblem(t, root.get("/admin/v1/"+bad), 422, "input_invalid")
	}
}

// TestCertificateThatComesBack: resource servers were told that a client's tokens bound
// to a certificate are dead. When an administrator registers it again they are told
// that they are good.
func TestCertificateThatComesBack(t *testing.T) {
	w := newWorld(t)
	root, pair := w.as("root"), keystest.SelfSigned(t)
	mustBe(t, root.post("/admin/v1/clients", selfSigned(t, "edge", keystest.SelfSigned(t))), 201)
	x5t := thumbprint.Of(pair.Cert)
	binding := "edge " + x5t.String()
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
			Kind: storage.FeedBinding, Action: storage.FeedDeny, Subject: binding, CreatedAt: w.Clock(), ExpiresAt: w.Clock().Add(time.Hour),
		}})
		return err
	})
	mustBe(t, root.post("/admin/v1/clients/edge/certificates", text(t, admin.CertificateBody{Certificate: string(pair.CertPEM())})), 201)
	if denied, err := w.Store.Denied(t.Context(), storage.FeedBinding, binding, w.Clock()); denied || err != nil {
		t.Errorf("denied: %t %v", denied, err)
	}
	// A reason goes into the audit trail as it is.
	retire := "/admin/v1/certificates/" + x5t.String() + "/retire"
	for _, reason := range []string{strings.Repeat("x", 201), "a\u0000b"} {
		w.wantProblem(t, root.post(retire, text(t, admin.RetireBody{Reason: reason})), 422, "input_invalid")
	}
	mustBe(t, root.post(retire, text(t, admin.RetireBody{Reason: "rotated"})), 200)
	mustBe(t, root.post(retire, text(t, admin.RetireBody{Reason: "rotated"})), 200)
	if events := w.Events(audit.CertificateRetired); len(events) != 1 || !strings.Contains(events[0].Detail, `"reason":"rotated"`) {
		t.Errorf("%+v", events)
	}
}

// TestPublishedCertificateStandsInNobodysWay: who publishes a certificate at its
// jwks_uri does not keep it from the client it is registered for.
func TestPublishedCertificateStandsInNobodysWay(t *testing.T) {
	w := newWorld(t)
	root, pair := w.as("root"), keystest.SelfSigned(t)
	mustBe(t, root.post("/admin/v1/clients", text(t, registration.Client{
		ClientID: "publisher", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKSURI: "https://publisher.example/jwks",
	})), 201)
	published := keyset.Record("publisher", pair.Cert, w.Clock())
	published.Source = storage.CertificatePublished
	w.Update(func(ctx context.Context, tx storage.Tx) error { return keyset.Add(ctx, tx, published, w.Clock()) })
	mustBe(t, root.post("/admin/v1/clients", selfSigned(t, "owner", pair)), 201)
	if stored, err := w.Store.Certificate(t.Context(), published.Thumbprint); err != nil || stored.ClientID != "owner" {
		t.Errorf("%+v %v", stored, err)
	}
}
