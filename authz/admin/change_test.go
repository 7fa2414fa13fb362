package admin_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

func (w *world) feed(t *testing.T) []storage.FeedEntry {
	t.Helper()
	feed, err := w.Store.FeedEntries(t.Context(), 0, w.Clock(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return feed.Entries
}

// TestDisable: flag, generation, feed entry and event come together, once.
func TestDisable(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	before := root.get("/admin/v1/clients/client-a").Header.Get("ETag")
	for range 2 { // the second time nothing may change
		a := root.post("/admin/v1/clients/client-a/disable", `{"reason":"invoice unpaid"}`)
		view := decode[admin.ClientView](t, a)
		if a.Status != 200 || !view.Disabled || view.Generation != 2 || a.Header.Get("ETag") == before {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	feed := w.feed(t)
	if len(feed) != 1 || feed[0].Kind != storage.FeedClient || feed[0].Subject != "client-a" || feed[0].MinGeneration != 2 ||
		!feed[0].ExpiresAt.Equal(w.Clock().Add(time.Hour+time.Minute)) {
		t.Errorf("feed %+v", feed)
	}
	events := w.Events(audit.ClientDisabled)
	if len(events) != 1 || events[0].Actor != "root" || events[0].ClientID != "client-a" || events[0].PartnerID != "acme" ||
		len(events[0].RequestID) != 32 || !strings.Contains(events[0].Detail, `"reason":"invoice unpaid"`) ||
		!strings.Contains(events[0].Detail, `"after":{"disabled":true,"generation":2}`) {
		t.Errorf("events %+v", events)
	}
	if w.notified.Load() != 1 {
		t.Errorf("notified %d times", w.notified.Load())
	}
	a := root.post("/admin/v1/clients/client-a/enable", "")
	if view := decode[admin.ClientView](t, a); a.Status != 200 || view.Disabled || view.Generation != 2 {
		t.Errorf("enabled: %d %s", a.Status, a.Body)
	}
	if len(w.feed(t)) != 1 || len(w.Events(audit.ClientEnabled)) != 1 {
		t.Error("enabling lifts nothing, and is recorded")
	}
	w.wantProblem(t, root.post("/admin/v1/clients/nobody/disable", ""), 404, "record_unknown")
}

func TestIfMatch(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	tag := root.get("/admin/v1/clients/client-a").Header.Get("ETag")
	if a := root.do("POST", "/admin/v1/clients/client-a/disable", "", "If-Match", `"other", `+tag); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	w.wantProblem(t, root.do("POST", "/admin/v1/clients/client-a/enable", "", "If-Match", tag), 412, "record_stale")
	if a := root.do("POST", "/admin/v1/clients/client-a/enable", "", "If-Match", "*"); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	// A condition that nobody looked at would be a change that nobody asked for.
	for path, body := range map[string]string{"/admin/v1/partners": `{"id":"new"}`, "/admin/v1/keys/rotate": "", "/admin/v1/audit-checkpoints": ""} {
		for _, name := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
			w.wantProblem(t, root.do("POST", path, body, name, "*"), 422, "input_invalid")
		}
	}
	w.wantProblem(t, root.get("/admin/v1/partners/new"), 404, "record_unknown")
}

// TestWriterSwitchesNothing: a PATCH is no way around admin:operate.
func TestWriterSwitchesNothing(t *testing.T) {
	w := newWorld(t)
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		writer, err := tx.Client(ctx, "writer")
		if err != nil {
			return err
		}
		writer.Scopes = []string{admin.ScopeRead, admin.ScopeWrite}
		return tx.UpdateClient(ctx, writer)
	})
	root, writer := w.as("root"), w.as("writer")
	for path, name := range map[string]string{"/admin/v1/clients/client-a": "client_name", "/admin/v1/partners/globex": "name"} {
		mustBe(t, writer.patch(path, `{"`+name+`":"Other"}`, "*"), 200)
		w.wantProblem(t, writer.patch(path, `{"disabled":true}`, "*"), 403, "scope_insufficient")
		mustBe(t, root.patch(path, `{"disabled":true}`, "*"), 200)
		w.wantProblem(t, writer.patch(path, `{"disabled":false}`, "*"), 403, "scope_insufficient")
		w.wantProblem(t, writer.patch(path, `{"disabled":null}`, "*"), 403, "scope_insufficient")
	}
}

// TestLastCredentialStays: what was seen of a client is none, and does not count.
func TestLastCredentialStays(t *testing.T) {
	w := newWorld(t)
	root, pair := w.as("root"), keystest.SelfSigned(t)
	mustBe(t, root.post("/admin/v1/clients", selfSigned(t, "edge", pair)), 201)
	seen := keystest.SelfSigned(t).Cert
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.AddCertificate(ctx, storage.Certificate{
			Thumbprint: thumbprint.Of(seen), ClientID: "edge", DER: seen.Raw, Source: storage.CertificateEnrolled,
			NotBefore: seen.NotBefore.UTC(), NotAfter: seen.NotAfter.UTC(), CreatedAt: w.Clock(),
		})
	})
	w.wantProblem(t, root.do("DELETE", "/admin/v1/clients/edge/certificates/"+thumbprint.Of(pair.Cert).String(), ""), 409, "conflict")
	// What was signed here is forgotten only when it is accepted of nobody any more.
	w.wantProblem(t, root.do("DELETE", "/admin/v1/clients/edge/certificates/"+thumbprint.Of(seen).String(), ""), 409, "conflict")
	mustBe(t, root.post("/admin/v1/certificates/"+thumbprint.Of(seen).String()+"/revoke", `{"reason":"over"}`), 200)
	mustBe(t, root.do("DELETE", "/admin/v1/clients/edge/certificates/"+thumbprint.Of(seen).String(), ""), 204)
}

// TestOnlySecurityTouchesAdministrators, whatever the verb.
func TestOnlySecurityTouchesAdministrators(t *testing.T) {
	w := newWorld(t)
	operator := w.as("operator")
	if a := operator.post("/admin/v1/clients/client-a/disable", ""); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	// The deputy is a PKI client: only its registered subject says whose its certificates
	// are, and they may never have been used. Another one is published by a partner.
	deputy, next, stranger := w.Pair("deputy"), w.CA.Client(t, keystest.DNS("deputy.example")), w.Pair(authztest.ClientA)
	deputys, nexts, strangers := thumbprint.Of(deputy.Cert), thumbprint.Of(next.Cert), thumbprint.Of(stranger.Cert)
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.AddCertificate(ctx, storage.Certificate{
			Thumbprint: nexts, ClientID: authztest.ClientA, DER: next.Cert.Raw, NotBefore: next.Cert.NotBefore.UTC(),
			NotAfter: next.Cert.NotAfter.UTC(), CreatedAt: w.Clock(), Source: storage.CertificatePublished,
		})
	})
	with := func(pair *keystest.Pair) string {
		body, err := json.Marshal(admin.RevocationBody{Reason: "thief", Certificate: string(pair.CertPEM())})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	revoke := func(x5t thumbprint.Thumbprint) string { return "/admin/v1/certificates/" + x5t.String() + "/revoke" }
	w.wantProblem(t, operator.post(revoke(strangers), `{"reason":"thief"}`), 403, "scope_insufficient") // it might be the deputy's
	w.wantProblem(t, operator.post(revoke(deputys), with(stranger)), 422, "input_invalid")              // another one
	w.wantProblem(t, operator.post(revoke(deputys), with(deputy)), 403, "scope_insufficient")
	w.wantProblem(t, operator.post(revoke(nexts), with(&next)), 403, "scope_insufficient")
	if a := operator.post(revoke(strangers), with(stranger)); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{
		"/admin/v1/clients/deputy/disable", "/admin/v1/clients/deputy/enable", "/admin/v1/clients/operator/disable",
		"/admin/v1/certificates/" + thumbprint.Of(w.root.Cert).String() + "/revoke",
		"/admin/v1/certificates/" + deputys.String() + "/revoke",
	} {
		w.wantProblem(t, operator.post(path, `{"reason":"coup"}`), 403, "scope_insufficient")
	}
	for _, x5t := range []thumbprint.Thumbprint{thumbprint.Of(w.root.Cert), deputys, nexts} {
		if denied, err := w.Store.CertificateDenied(t.Context(), x5t); err != nil || denied {
			t.Errorf("an operator revoked an administrator's certificate (%v)", err)
		}
	}
}

// TestLastAdministrator: there is always one who could undo it.
func TestLastAdministrator(t *testing.T) {
	w := newWorld(t)
	root, deputy := w.as("root"), w.as("deputy")
	if a := root.post("/admin/v1/clients/deputy/disable", ""); a.Status != 200 {
		t.Fatal(a)
	}
	w.wantProblem(t, root.post("/admin/v1/clients/root/disable", ""), 409, "last_administrator")
	if a := root.post("/admin/v1/clients/operator/disable", ""); a.Status != 200 {
		t.Errorf("an operator is not the last: %d %s", a.Status, a.Body)
	}
	w.wantProblem(t, deputy.post("/admin/v1/clients/root/disable", ""), 401, "client_authentication_failed")
}

// TestTwoWhoDisableEachOther: one of them comes second.
func TestTwoWhoDisableEachOther(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	for actor, target := range map[string]string{"root": "deputy", "deputy": "root"} {
		caller := w.as(actor)
		r := caller.request("POST", "/admin/v1/clients/"+target+"/disable", "")
		group.Go(func() {
			if _, err := authztest.Do(caller.client, r); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	left := 0
	for _, id := range []string{"root", "deputy"} {
		client, err := w.Store.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !client.Disabled {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d administrators left, want 1", left)
	}
}

// TestRevokeCertificate: registered or not, once.
func TestRevokeCertificate(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	pki := thumbprint.Of(w.Pair(authztest.ClientA).Cert)
	for _, reason := range []string{"lost laptop", "again"} {
		a := root.post("/admin/v1/certificates/"+pki.String()+"/revoke", `{"reason":"`+reason+`"}`)
		got := decode[admin.Revocation](t, a)
		if a.Status != 200 || got.Thumbprint != pki.String() || got.Reason != "lost laptop" || got.ClientID != "" || !got.RevokedAt.Equal(w.Clock()) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	feed, events := w.feed(t), w.Events(audit.CertificateRevoked)
	if len(feed) != 1 || feed[0].Kind != storage.FeedCertificate || feed[0].Subject != pki.String() ||
		!feed[0].ExpiresAt.Equal(w.Clock().Add(time.Hour+time.Minute)) {
		t.Errorf("feed %+v", feed)
	}
	if len(events) != 1 || events[0].Thumbprint != pki || events[0].Actor != "root" || w.notified.Load() != 1 {
		t.Errorf("events %+v, notified %d", events, w.notified.Load())
	}

	own := thumbprint.Of(w.root.Cert)
	a := w.as("deputy").post("/admin/v1/certificates/"+own.String()+"/revoke", `{"reason":"left the company"}`)
	if got := decode[admin.Revocation](t, a); a.Status != 200 || got.ClientID != "root" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.wantProblem(t, root.get("/admin/v1/clients"), 401, "client_authentication_failed")
}

func TestBootstrapOnce(t *testing.T) {
	w := newWorld(t)
	err := admin.Bootstrap(t.Context(), w.Store, w.Recorder, w.Clock(), w.administrator(t, "usurper", *w.Pair("usurper")))
	if err == nil || err.Error() != "admin: the first administrator was created before; use `certbound admin recover` to get back in" {
		t.Error(err)
	}
	if _, err := w.Store.Client(t.Context(), "usurper"); err == nil {
		t.Error("a second first administrator")
	}
	if events := w.Events(audit.AdministratorAdded); len(events) != 1 || events[0].ClientID != "root" || events[0].Thumbprint != thumbprint.Of(w.root.Cert) {
		t.Errorf("%+v", events)
	}
	if err := admin.Bootstrap(t.Context(), w.Store, w.Recorder, w.Clock(), admin.Administrator{}); err == nil || !strings.Contains(err.Error(), "the issuer is missing") {
		t.Error(err)
	}
}

// TestRecover: a disabled last administrator comes back with another certificate,
// and neither the old one nor old tokens do.
func TestRecover(t *testing.T) {
	w := newWorld(t)
	old := w.as("root")
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client, err := tx.Client(ctx, "root")
		if err != nil {
			return err
		}
		client.Disabled = true
		return tx.UpdateClient(ctx, client)
	})
	w.wantProblem(t, old.get("/admin/v1/clients"), 401, "client_authentication_failed")

	fresh := *w.Pair("fresh")
	if err := admin.Recover(t.Context(), w.Store, w.Recorder, w.Clock(), w.administrator(t, "root", fresh), "alice"); err != nil {
		t.Fatal(err)
	}
	w.wantProblem(t, old.get("/admin/v1/clients"), 401, "client_authentication_failed")
	w.root = fresh
	if a := w.as("root").get("/admin/v1/clients"); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	events := w.Events(audit.AdministratorAdded)
	if len(events) != 2 || !strings.Contains(events[0].Detail, `"operator":"alice"`) || events[0].Actor != "local" {
		t.Errorf("%+v", events)
	}

	x5t := thumbprint.Of(fresh.Cert).String()
	if a := w.as("root").post("/admin/v1/certificates/"+x5t+"/revoke", `{"reason":"x"}`); a.Status != 200 {
		t.Fatal(a)
	}
	err := admin.Recover(t.Context(), w.Store, w.Recorder, w.Clock(), w.administrator(t, "root", fresh), "alice")
	if err == nil || err.Error() != "admin: this certificate has been revoked; recover with another one" {
		t.Error(err)
	}
}

// TestRecoverMakesAnAdministrator of a client that was none, who keeps what it had.
func TestRecoverMakesAnAdministrator(t *testing.T) {
	w := newWorld(t)
	if err := admin.Recover(t.Context(), w.Store, w.Recorder, w.Clock(), w.administrator(t, authztest.ClientA, *w.Pair("new")), "bob"); err != nil {
		t.Fatal(err)
	}
	client, err := w.Store.Client(t.Context(), authztest.ClientA)
	if err != nil || strings.Join(client.Scopes, " ") != "admin:operate admin:read admin:security admin:write" || client.PartnerID != "acme" || client.Method != storage.SelfSignedTLSClientAuth {
		t.Errorf("%+v %v", client, err)
	}
}

func TestFollowIssuer(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if err := admin.FollowIssuer(t.Context(), w.Store, "https://new.example", w.Clock()); err != nil {
			t.Fatal(err)
		}
	}
	if api, err := w.Store.API(t.Context(), registration.AdminAPI); err != nil || api.Audience != "https://new.example/admin" || api.Version != 2 {
		t.Errorf("%+v %v", api, err)
	}
	if err := admin.FollowIssuer(t.Context(), authztest.New(t).Store, "https://new.example", w.Clock()); err != nil {
		t.Error(err)
	}
}
