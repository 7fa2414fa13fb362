package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/storage"
)

func TestNewHandlerChecksItsConfig(t *testing.T) {
	if _, err := admin.NewHandler(admin.Config{}); err == nil || err.Error() != "admin: Config.Issuer is missing" {
		t.Error(err)
	}
	if _, err := admin.NewHandler(admin.Config{Issuer: "https://as.example"}); err == nil || err.Error() != "admin: a dependency in Config is missing" {
		t.Error(err)
	}
}

// TestWhoMayCall: the token alone never suffices, nor does the certificate
// (design rule 23). Each row is one step away from a call that is served.
func TestWhoMayCall(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	if a := root.get("/admin/v1/clients"); a.Status != 200 {
		t.Fatalf("the call that is served: %d %s", a.Status, a.Body)
	}
	stranger := keystest.SelfSigned(t, keystest.CommonName("root"))
	bound := func(change func(*accesstoken.Claims)) string {
		c := w.claims("root")
		change(c)
		return w.Sign(c)
	}
	for name, tt := range map[string]struct {
		pair   *keystest.Pair
		token  string
		status int
		reason string
	}{
		"no token":                             {&w.root, "", 401, "token_missing"},
		"token without the certificate":        {nil, root.token, 401, "certificate_missing"},
		"another administrator's certificate":  {w.Pair("deputy"), root.token, 401, "thumbprint_mismatch"},
		"a client that stole an admin token":   {w.Pair(authztest.ClientA), root.token, 401, "thumbprint_mismatch"},
		"a certificate that looks the same":    {&stranger, root.token, 401, "thumbprint_mismatch"},
		"a client's own token, other audience": {w.Pair(authztest.ClientA), w.Sign(w.Claims(authztest.ClientA)), 401, "audience_mismatch"},
		"expired":                              {&w.root, bound(func(c *accesstoken.Claims) { c.IssuedAt, c.Expiry = c.IssuedAt.Add(-time.Hour), c.IssuedAt }), 401, "token_expired"},
		"another issuer":                       {&w.root, bound(func(c *accesstoken.Claims) { c.Issuer = "https://evil.example" }), 401, "issuer_mismatch"},
		"scope missing":                        {&w.root, bound(func(c *accesstoken.Claims) { c.Scopes = []string{"accounts:read"} }), 403, "scope_insufficient"},
		// Were a token ever bound to a certificate that is not the client's: the
		// stored administrator decides.
		"bound to a certificate that is not registered": {&stranger, bound(func(c *accesstoken.Claims) { c.Thumbprint = thumbprint.Of(stranger.Cert) }), 401, "client_authentication_failed"},
		"a client that does not exist":                  {&w.root, bound(func(c *accesstoken.Claims) { c.ClientID, c.Subject = "nobody", "nobody" }), 401, "client_authentication_failed"},
		"a scope the client does not hold":              {w.Pair(authztest.ClientA), w.Sign(forged(w)), 403, "scope_insufficient"},
	} {
		t.Run(name, func(t *testing.T) {
			caller := as{w, w.HTTPClient(w.http, tt.pair), tt.token}
			w.wantProblem(t, caller.get("/admin/v1/clients"), tt.status, tt.reason)
			w.wantProblem(t, caller.post("/admin/v1/clients/client-b/disable", ""), tt.status, tt.reason)
		})
	}
	if client, err := w.Store.Client(t.Context(), authztest.ClientB); err != nil || client.Disabled {
		t.Errorf("somebody who may not disabled it: %+v %v", client, err)
	}
}

// forged is a good token for client-a that grants what client-a does not hold.
func forged(w *world) *accesstoken.Claims {
	c := w.claims(authztest.ClientA)
	c.Scopes = admin.Scopes()
	return c
}

// TestOpenConnection: what happens to an administrator reaches a connection that
// is open, with a token that is still valid.
func TestOpenConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world)
		status int
		reason string
	}{
		"disabled": {func(w *world) {
			if a := w.as("root").post("/admin/v1/clients/deputy/disable", ""); a.Status != 200 {
				t.Fatal(a)
			}
		}, 401, "client_authentication_failed"},
		"disabled and enabled": {func(w *world) {
			root := w.as("root")
			if a, b := root.post("/admin/v1/clients/deputy/disable", ""), root.post("/admin/v1/clients/deputy/enable", ""); a.Status != 200 || b.Status != 200 {
				t.Fatal(a, b)
			}
		}, 401, "client_disabled"},
		"certificate revoked": {func(w *world) {
			x5t := thumbprint.Of(w.Pair("deputy").Cert).String()
			if a := w.as("root").post("/admin/v1/certificates/"+x5t+"/revoke", `{"reason":"lost"}`); a.Status != 200 {
				t.Fatal(a)
			}
		}, 401, "client_authentication_failed"},
		"scopes taken away": {func(w *world) {
			w.Update(func(ctx context.Context, tx storage.Tx) error {
				client, err := tx.Client(ctx, "deputy")
				if err != nil {
					return err
				}
				client.Scopes = []string{admin.ScopeOperate}
				return tx.UpdateClient(ctx, client)
			})
		}, 403, "scope_insufficient"},
		"expired": {func(w *world) { w.Advance(6 * time.Minute) }, 401, "token_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			deputy := w.as("deputy")
			if a := deputy.get("/admin/v1/clients"); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			tt.change(w)
			w.wantProblem(t, deputy.get("/admin/v1/clients"), tt.status, tt.reason)
		})
	}
}

// TestRevokedTokenOfAnAdministrator: by jti, on the open connection.
func TestRevokedTokenOfAnAdministrator(t *testing.T) {
	w := newWorld(t)
	claims := w.claims("root")
	caller := as{w, w.HTTPClient(w.http, &w.root), w.Sign(claims)}
	if a := caller.get("/admin/v1/audit-events"); a.Status != 200 {
		t.Fatal(a)
	}
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
			Kind: storage.FeedToken, Action: storage.FeedDeny, Subject: claims.ID, CreatedAt: w.Clock(), ExpiresAt: w.Clock().Add(time.Hour),
		}})
		return err
	})
	w.wantProblem(t, caller.get("/admin/v1/audit-events"), 401, "token_revoked")
}

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	for _, path := range []string{"/", "/admin/v1", "/admin/v1/clients/", "//admin/v1/clients", "/admin/v1/./clients", "/admin/v1/Clients"} {
		w.wantProblem(t, root.get(path), 404, "route_unknown")
	}
	for path, method := range map[string]string{"/admin/v1/clients": "DELETE", "/admin/v1/clients/x/disable": "GET", "/admin/v1/audit-events": "DELETE"} {
		a := root.do(method, path, "")
		w.wantProblem(t, a, 405, "method_not_allowed")
		if allow := a.Header.Get("Allow"); allow == "" || allow == method {
			t.Errorf("%s %s: Allow %q", method, path, allow)
		}
	}
	// Of two routes with one path, see clients called from-certificate.
	for range 3 {
		if a := root.do("DELETE", "/admin/v1/clients/from-certificate", ""); a.Header.Get("Allow") != "GET, PATCH, POST" {
			t.Errorf("Allow %q", a.Header.Get("Allow"))
		}
	}
	anyone := as{w, w.HTTPClient(w.http, nil), ""}
	if a := anyone.get("/admin/v1/issuer"); a.Status != 200 || !strings.Contains(a.Body, `"audience":"https://as.example/admin"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestClients(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	a := root.get("/admin/v1/clients/root")
	view := decode[admin.ClientView](t, a)
	if a.Status != 200 || view.ClientID != "root" || len(view.Certificates) != 1 || a.Header.Get("ETag") == "" ||
		view.Certificates[0].Thumbprint != thumbprint.Of(w.root.Cert).String() || strings.Contains(a.Body, "x5c") {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	w.wantProblem(t, root.get("/admin/v1/clients/nobody"), 404, "record_unknown")
	w.wantProblem(t, root.get("/admin/v1/clients/no%2Fbody"), 404, "record_unknown")

	type page struct{ Clients []admin.ClientView }
	var ids []string
	path := "/admin/v1/clients?limit=3"
	for pages := 0; path != "" && pages < 10; pages++ {
		a := root.get(path)
		for _, c := range decode[page](t, a).Clients {
			ids = append(ids, c.ClientID)
		}
		path = next(a)
	}
	if got := strings.Join(ids, " "); got != "accounts-rs client-a client-b client-c deputy operator payments-rs root writer" {
		t.Errorf("paged through %s", got)
	}
}

// next is the address in a Link, or "".
func next(a authztest.Answer) string {
	link, ok := strings.CutSuffix(a.Header.Get("Link"), `>; rel="next"`)
	if !ok {
		return ""
	}
	return strings.TrimPrefix(link, "<")
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	const secret = "c2VjcmV0"
	revoke := "/admin/v1/certificates/" + strings.Repeat("A", 43) + "/revoke"
	for _, tt := range []struct {
		method, path, body string
		status             int
		reason, field      string
	}{
		{"GET", "/admin/v1/clients?limit=0", "", 422, "input_invalid", "limit"},
		{"GET", "/admin/v1/clients?limit=501", "", 422, "input_invalid", "limit"},
		{"GET", "/admin/v1/clients?" + secret + "=1", "", 422, "input_invalid", "query"},
		{"GET", "/admin/v1/clients?after=a&after=b", "", 422, "input_invalid", "after"},
		{"GET", "/admin/v1/clients?after=%zz", "", 400, "request_malformed", ""},
		{"GET", "/admin/v1/audit-events?since=" + secret, "", 422, "input_invalid", "since"},
		{"GET", "/admin/v1/audit-events?thumbprint=" + secret, "", 422, "input_invalid", "thumbprint"},
		{"GET", "/admin/v1/audit-events?request_id=" + secret, "", 422, "input_invalid", "request_id"},
		{"GET", "/admin/v1/audit-events?before=1.2.03", "", 422, "input_invalid", "before"},
		{"GET", "/admin/v1/audit-events?client=", "", 422, "input_invalid", "client"},
		{"POST", revoke, "", 422, "input_invalid", "reason"},
		{"POST", revoke, `{}`, 422, "input_invalid", "reason"},
		{"POST", revoke, `{"reason":7}`, 422, "input_invalid", "reason"},
		{"POST", revoke, `{"reason":null}`, 422, "input_invalid", "reason"},
		{"POST", revoke, `{"reason":"a\u0000"}`, 422, "input_invalid", "reason"},
		{"POST", revoke, `{"reason":"` + strings.Repeat("x", 201) + `"}`, 422, "input_invalid", "reason"},
		{"POST", revoke, `{"reason":"a","` + secret + `":1}`, 422, "input_invalid", "body"},
		{"POST", revoke, `{"Reason":"a"}`, 422, "input_invalid", "body"},
		{"POST", revoke, `{"reason":"a","reason":"b"}`, 400, "request_malformed", ""},
		{"POST", revoke, `["reason"]`, 400, "request_malformed", ""},
		{"POST", revoke, `null`, 400, "request_malformed", ""},
		{"POST", revoke, `{"reason":"a"} {}`, 400, "request_malformed", ""},
		{"POST", revoke, "{\"reason\":\"\xff\"}", 400, "request_malformed", ""},
		{"POST", revoke, `{"reason":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "request_too_large", ""},
		{"POST", "/admin/v1/certificates/" + secret + "/revoke", `{"reason":"a"}`, 422, "input_invalid", "x5t"},
	} {
		a := root.do(tt.method, tt.path, tt.body)
		w.wantProblem(t, a, tt.status, tt.reason)
		if tt.field != "" && !strings.Contains(a.Body, `{"field":"`+tt.field+`"`) || strings.Contains(a.Body, secret) {
			t.Errorf("%s %s %.80s: %s", tt.method, tt.path, tt.body, a.Body)
		}
	}
	w.wantProblem(t, root.do("POST", revoke, `{"reason":"a"}`, "Content-Type", "text/plain"), 415, "media_type_unsupported")
	if seq, err := w.Store.FeedSeq(t.Context()); err != nil || seq != 0 || w.notified.Load() != 0 {
		t.Errorf("bad input changed something: %d %v", seq, err)
	}
}

// TestAuditEvents: filters and pages; and what was refused is among the events.
func TestAuditEvents(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	for i := range 5 {
		if err := w.Recorder.Record(t.Context(), audit.Event{
			Time: w.Clock().Add(time.Duration(i/2) * time.Second), Kind: audit.TokenIssued, Partner: "acme", Client: authztest.ClientA,
			TokenID: fmt.Sprintf("jti-%d", i), RequestID: fmt.Sprintf("%032x", i), Thumbprint: thumbprint.Of(w.Pair(authztest.ClientA).Cert),
		}); err != nil {
			t.Fatal(err)
		}
	}
	type page struct{ Events []admin.EventView }
	var got []string
	path := "/admin/v1/audit-events?client=client-a&limit=2"
	for pages := 0; path != "" && pages < 10; pages++ {
		a := root.get(path)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, a.Status, a.Body)
		}
		for _, e := range decode[page](t, a).Events {
			got = append(got, e.TokenID)
		}
		path = next(a)
	}
	if text := strings.Join(got, " "); text != "jti-4 jti-3 jti-2 jti-1 jti-0" {
		t.Errorf("paged through %s", text)
	}
	for filter, want := range map[string]int{
		"kind=token.issued": 5, "kind=administrator.added": 1, "client=client-b": 0, "partner=acme": 5,
		"request_id=" + fmt.Sprintf("%032x", 3):                                    1,
		"thumbprint=" + thumbprint.Of(w.Pair(authztest.ClientA).Cert).String():     5,
		"thumbprint=" + thumbprint.Of(w.Pair(authztest.ClientB).Cert).String():     0,
		"until=" + w.Clock().Format(time.RFC3339):                                  0,
		"client=client-a&since=" + w.Clock().Add(time.Second).Format(time.RFC3339): 3,
	} {
		if a := root.get("/admin/v1/audit-events?" + filter); a.Status != 200 || len(decode[page](t, a).Events) != want {
			t.Errorf("%s: %d %s, want %d events", filter, a.Status, a.Body, want)
		}
	}
}

// TestDatabaseAway: 503 with a reason, and nothing half done.
func TestDatabaseAway(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	w.Broken.Break("Update")
	w.wantProblem(t, root.post("/admin/v1/clients/client-a/disable", ""), 503, "storage_unavailable")
	w.Broken.Break("Denied")
	w.wantProblem(t, root.get("/admin/v1/clients"), 503, "storage_unavailable")
}
