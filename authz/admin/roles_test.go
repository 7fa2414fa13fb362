package admin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

// TestRoles: a viewer reads, an operator also writes, trust bundles, lockouts and
// administrators are for the security officer (design rule 23).
func TestRoles(t *testing.T) {
	w := newWorld(t)
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.CreateClient(ctx, storage.Client{
			ID: "viewer", PartnerID: "acme", Method: storage.TLSClientAuth, TrustBundle: "partners", Scopes: []string{admin.ScopeRead}, CreatedAt: w.Clock(),
			Matcher: storage.Matcher{Kind: storage.SANDNS, Value: "viewer.example", Canonical: "viewer.example"},
		})
	})
	bundle := text(t, registration.TrustBundle{Name: "x", Anchors: string(keystest.NewCA(t, "X").CertPEM())})
	client := func(id, scope string) string {
		return fmt.Sprintf(`{"client_id":%q,"partner_id":"acme","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"%s.example","trust_bundle":"partners","scope":%q}`, id, id, scope)
	}
	const merge = "application/merge-patch+json"
	for _, tt := range []struct {
		method, path, body     string
		viewer, writer, deputy int // what each gets
	}{
		{"GET", "clients/root", "", 200, 200, 200},
		{"POST", "partners", `{}`, 403, 201, 201},
		{"POST", "clients", client("one", "accounts:read"), 403, 201, 409},
		{"POST", "clients", client("two", "admin:read"), 403, 403, 201},
		{"PATCH", "clients/client-a", `{"scope":"admin:read"}`, 403, 403, 200},
		{"PATCH", "clients/operator", `{"client_name":"x"}`, 403, 403, 200},
		{"PATCH", "partners/globex", `{"disabled":true}`, 403, 200, 200},
		{"PATCH", "partners/operations", `{"disabled":true}`, 403, 403, 200},
		{"POST", "clients/root/certificates", text(t, admin.CertificateBody{Certificate: string(keystest.SelfSigned(t).CertPEM())}), 403, 403, 201},
		{"POST", "trust-bundles", bundle, 403, 403, 201},
		{"POST", "partners/globex/lockout", `{"reason":"x"}`, 403, 403, 200},
		{"POST", "partners/globex/restore", ``, 403, 403, 200},
		{"POST", "keys/rotate", ``, 403, 403, 200},
	} {
		for id, status := range map[string]int{"viewer": tt.viewer, "writer": tt.writer, "deputy": tt.deputy} {
			if id == "deputy" {
				continue // below: it changes what the others meet
			}
			more := []string{}
			if tt.method == "PATCH" {
				more = []string{"Content-Type", merge, "If-Match", "*"}
			}
			if a := w.as(id).do(tt.method, "/admin/v1/"+tt.path, tt.body, more...); a.Status != status {
				t.Errorf("%s: %s %s: %d %s", id, tt.method, tt.path, a.Status, a.Body)
			}
		}
		more := []string{}
		if tt.method == "PATCH" {
			more = []string{"Content-Type", merge, "If-Match", "*"}
		}
		if a := w.as("deputy").do(tt.method, "/admin/v1/"+tt.path, tt.body, more...); a.Status != tt.deputy {
			t.Errorf("deputy: %s %s: %d %s", tt.method, tt.path, a.Status, a.Body)
		}
	}
	// Nobody grants what they lack.
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		c, err := tx.Client(ctx, "deputy")
		if err != nil {
			return err
		}
		c.Scopes = []string{admin.ScopeSecurity, admin.ScopeWrite}
		return tx.UpdateClient(ctx, c)
	})
	w.wantProblem(t, w.as("deputy").post("/admin/v1/clients", client("three", "admin:operate")), 403, "scope_insufficient")
	mustBe(t, w.as("deputy").post("/admin/v1/clients", client("three", "admin:security")), 201)
	// Who may not read learns of a conflict, and not whose it is.
	a := w.as("deputy").post("/admin/v1/clients", client("client-b", "accounts:read"))
	w.wantProblem(t, a, 409, "conflict")
	taken := w.as("deputy").patch("/admin/v1/clients/three", `{"tls_client_auth_san_dns":"client-b.example"}`, "*")
	w.wantProblem(t, taken, 409, "conflict")
	if strings.Contains(taken.Body, "owner") || strings.Contains(taken.Body, `"client-b"`) {
		t.Errorf("%s", taken.Body)
	}
}

// TestLockout: every client is refused and its tokens are dead, and restore brings
// back exactly what was.
func TestLockout(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	mustBe(t, root.post("/admin/v1/clients/client-b/disable", ``), 200)
	tag := root.get("/admin/v1/partners/acme").Header.Get("ETag")
	const path = "/admin/v1/partners/acme/"
	w.wantProblem(t, root.post(path+"lockout", ``), 422, "input_invalid")
	w.wantProblem(t, root.post("/admin/v1/partners/nobody/lockout", `{"reason":"x"}`), 404, "record_unknown")
	mustBe(t, root.post(path+"lockout?dry_run=true", `{"reason":"stolen"}`), 200)
	if got := decode[admin.PartnerView](t, root.get("/admin/v1/partners/acme")); got.LockedAt != nil {
		t.Error("a dry run locks")
	}
	for range 2 { // again changes nothing
		locked := decode[admin.PartnerView](t, want(t, root.post(path+"lockout", `{"reason":"stolen"}`), 200))
		if locked.LockedAt == nil || locked.LockReason != "stolen" || locked.Disabled {
			t.Errorf("%+v", locked)
		}
	}
	state := func(id string) storage.Client {
		c, err := w.Store.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for id, disabled := range map[string]bool{authztest.ClientA: false, authztest.ClientB: true} {
		if c := state(id); !c.PartnerDisabled || c.Disabled != disabled || c.Generation < 2 {
			t.Errorf("locked out: %+v", c)
		}
	}
	if c := state(authztest.ClientC); c.PartnerDisabled || c.Generation != 1 {
		t.Errorf("another partner's: %+v", c)
	}
	told := map[string]bool{}
	for _, entry := range w.feed(t) {
		told[entry.Subject] = true
	}
	if !told["client-a"] || !told["client-b"] || !told["deputy"] || told["client-c"] || told["root"] {
		t.Errorf("feed %v", told)
	}
	// The lockout holds whatever else is changed, and whoever opens it up is told why
	// it is closed.
	mustBe(t, root.patch("/admin/v1/partners/acme", `{"name":"Acme","disabled":true}`, "*"), 200)
	mustBe(t, root.patch("/admin/v1/partners/acme", `{"disabled":false}`, "*"), 200)
	if c := state(authztest.ClientA); !c.PartnerDisabled {
		t.Error("a PATCH ends the lockout")
	}
	w.wantProblem(t, w.as("deputy").get("/admin/v1/partners/acme"), 401, "client_authentication_failed")
	w.wantProblem(t, root.do("POST", path+"restore", "", "If-Match", tag), 412, "record_stale")
	restored := decode[admin.PartnerView](t, want(t, root.post(path+"restore", `{"reason":"found"}`), 200))
	if restored.LockedAt != nil || restored.Disabled {
		t.Errorf("%+v", restored)
	}
	if a, b := state(authztest.ClientA), state(authztest.ClientB); a.PartnerDisabled || a.Disabled || !b.Disabled || a.Generation < 2 {
		t.Errorf("restored: %+v %+v", a, b)
	}
	for _, kind := range []audit.Kind{audit.PartnerLocked, audit.PartnerRestored} {
		if events := w.Events(kind); len(events) != 1 || events[0].PartnerID != "acme" || !strings.Contains(events[0].Detail, `"reason":"`) {
			t.Errorf("%s: %+v", kind, events)
		}
	}
	// root is the one administrator of operations who could undo it, once acme's are
	// locked out.
	mustBe(t, root.post(path+"lockout", `{"reason":"again"}`), 200)
	w.wantProblem(t, root.post("/admin/v1/partners/operations/lockout", `{"reason":"x"}`), 409, "last_administrator")
	w.wantProblem(t, root.patch("/admin/v1/clients/root", `{"scope":"admin:read"}`, "*"), 409, "last_administrator")
	w.wantProblem(t, root.patch("/admin/v1/partners/operations", `{"disabled":true}`, "*"), 409, "last_administrator")
}

// TestTrustBundleVersions: a new version retires the one before, and a roll-back is
// a new version.
func TestTrustBundleVersions(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	first, second := string(keystest.NewCA(t, "First").CertPEM()), string(keystest.NewCA(t, "Second").CertPEM())
	const path = "/admin/v1/trust-bundles/b"
	created := decode[admin.BundleAnswer](t, want(t, root.post("/admin/v1/trust-bundles", text(t, registration.TrustBundle{Name: "b", Anchors: first})), 201))
	if created.Version != 1 || created.CreatedBy != "root" || len(created.Warnings) != 1 || created.Warnings[0].Code != "root_without_issuers" {
		t.Errorf("%+v", created)
	}
	patched := decode[admin.BundleAnswer](t, want(t, root.patch(path, text(t, map[string]string{"anchors": second}), "*"), 200))
	same := decode[admin.BundleAnswer](t, want(t, root.patch(path, text(t, map[string]string{"anchors": second}), "*"), 200))
	if patched.Version != 2 || same.Version != 2 || w.trusted.Load() != 2 {
		t.Errorf("versions %d, %d, told %d times", patched.Version, same.Version, w.trusted.Load())
	}
	w.wantProblem(t, root.post(path+"/rollback", `{"version":9}`), 422, "input_invalid")
	w.wantProblem(t, root.post(path+"/rollback", `{"version":0}`), 422, "input_invalid")
	back := decode[admin.BundleAnswer](t, want(t, root.post(path+"/rollback", `{"version":1,"reason":"wrong CA"}`), 200))
	if back.Version != 3 || back.Anchors != first || back.ContentHash != created.ContentHash {
		t.Errorf("%+v", back)
	}
	list := decode[admin.BundleVersions](t, want(t, root.get(path+"/versions"), 200))
	var states []string
	for _, v := range list.Versions {
		states = append(states, fmt.Sprint(v.Version, v.Status))
	}
	if got := strings.Join(states, " "); got != "1retired 2retired 3active" && got != "1 retired 2 retired 3 active" {
		t.Errorf("%s", got)
	}
	if old := decode[admin.TrustBundleView](t, want(t, root.get(path+"/versions/2"), 200)); old.Anchors != second {
		t.Errorf("%+v", old)
	}
	w.wantProblem(t, root.get(path+"/versions/4"), 404, "record_unknown")
	w.wantProblem(t, root.get("/admin/v1/trust-bundles/none/versions"), 404, "record_unknown")
	w.wantProblem(t, root.post(path+"/retire", ``), 422, "input_invalid")
	retired := decode[admin.BundleAnswer](t, want(t, root.post(path+"/retire", `{"reason":"merger"}`), 200))
	if retired.Status != "retired" {
		t.Errorf("%+v", retired)
	}
	w.wantProblem(t, root.post(path+"/retire", `{"reason":"again"}`), 409, "conflict")
	again := decode[admin.BundleAnswer](t, want(t, root.post(path+"/rollback", `{"version":2}`), 200))
	if again.Version != 4 || again.Status != "active" {
		t.Errorf("%+v", again)
	}
	if events := w.Events(audit.TrustBundleChanged); len(events) != 3 || strings.Contains(events[0].Detail, "BEGIN") || !strings.Contains(events[0].Detail, `"content_hash"`) {
		t.Errorf("%+v", events)
	}
}

// TestFromCertificate: the answer is a registration that can be sent as it is.
func TestFromCertificate(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	ask := func(pem string) authztest.Answer {
		return root.post("/admin/v1/clients/from-certificate", text(t, admin.FromCertificateBody{Certificate: pem, ClientID: "new", PartnerID: "acme", TrustBundle: "partners", Scope: "accounts:read"}))
	}
	pair := w.CA.Client(t, keystest.CommonName("new"), keystest.URI("spiffe://acme/new"), keystest.DNS("new.example"))
	found := decode[admin.FromCertificate](t, want(t, ask(string(pair.CertPEM())), 200))
	if found.Kind != "certificate" || found.Draft == nil || found.Draft.SANURI != "spiffe://acme/new" || found.Draft.SANDNS != "" || found.Certificate.Thumbprint == "" {
		t.Fatalf("%+v", found)
	}
	mustBe(t, root.post("/admin/v1/clients", text(t, found.Draft)), 201)
	codes := func(a authztest.Answer) string {
		var all []string
		for _, w := range decode[admin.FromCertificate](t, want(t, a, 200)).Warnings {
			all = append(all, w.Code)
		}
		return strings.Join(all, " ")
	}
	if got := codes(ask(string(w.CA.Client(t, keystest.URI("spiffe://acme/new"), keystest.CommonName("x")).CertPEM()))); !strings.Contains(got, "subject_taken") && got != "" {
		t.Errorf("the client's own: %s", got)
	}
	other := root.post("/admin/v1/clients/from-certificate", text(t, admin.FromCertificateBody{Certificate: string(pair.CertPEM()), TrustBundle: "partners"}))
	if got := codes(other); got != "subject_taken" {
		t.Errorf("known already: %s", got)
	}
	if got := codes(ask(string(w.CA.Client(t, keystest.Version1(), keystest.DNS(), keystest.CommonName("old")).CertPEM()))); !strings.Contains(got, "version no_client_auth no_san cn_only") {
		t.Errorf("an old one: %s", got)
	}
	for _, bad := range []string{"", "hello", string(pair.KeyPEM()), string(pair.CertPEM()) + string(pair.KeyPEM())} {
		a := ask(bad)
		w.wantProblem(t, a, 422, "input_invalid")
		if strings.Contains(bad, "PRIVATE") != strings.Contains(a.Body, "private key") {
			t.Errorf("%s", a.Body)
		}
	}
}
