package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// registration is a client of dev's own partner and trust bundle, by a DNS name.
func registration(id, name string, more ...any) map[string]any {
	client := map[string]any{
		"client_id": id, "partner_id": "acme", "token_endpoint_auth_method": "tls_client_auth",
		"tls_client_auth_san_dns": name, "trust_bundle": "partners", "scope": "accounts:read",
	}
	for i := 0; i+1 < len(more); i += 2 {
		name, _ := more[i].(string)
		if client[name] = more[i+1]; more[i+1] == nil {
			delete(client, name)
		}
	}
	return client
}

const clientsPath = "/admin/v1/clients"

// TestRegistrationByTheAdminAPI: what it answers, what it refuses, and by whom it
// lets itself be asked. Its vocabulary is that of RFC 7591, its refusals are those
// of an API for administrators.
func TestRegistrationByTheAdminAPI(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7591-2-c", "RFC7591-2-d", "RFC7591-2-1", "RFC7591-3-a", "RFC7591-3-1", "RFC7591-3-2-1-a", "RFC7591-3-2-2", "RFC7592-2", "RFC7592-2-2", "RFC8705-2-1-2-a")
	d := harness.Start(t)
	a := newAdministrator(t, d)
	good := registration("fresh", "fresh.test")
	created := a.expect(t, http.StatusCreated, "POST", clientsPath, asJSON(t, good))
	if created.Header.Get("Cache-Control") != "no-store" || created.Header.Get("Location") != clientsPath+"/fresh" {
		t.Errorf("headers %v", created.Header)
	}
	for _, answer := range []*harness.Response{created, a.expect(t, http.StatusOK, "GET", clientsPath+"/fresh", "")} {
		var got map[string]any
		if err := json.Unmarshal(answer.Body, &got); err != nil {
			t.Fatal(err)
		}
		for name, want := range good {
			if got[name] != want {
				t.Errorf("%s is registered as %v, want %v", name, got[name], want)
			}
		}
	}
	for name, c := range map[string]struct {
		change []any
		names  string // what the refusal has to name
	}{
		"unknown member":        {[]any{"redirect_uris", []string{"https://x.test"}}, "redirect_uris"},
		"grant and response":    {[]any{"grant_types", []string{"client_credentials"}, "response_types", []string{"code"}}, "response_types"},
		"letter case":           {[]any{"Scope", "accounts:read"}, "Scope"},
		"a second subject":      {[]any{"tls_client_auth_san_uri", "spiffe://x.test/a"}, "tls_client_auth_"},
		"no subject":            {[]any{"tls_client_auth_san_dns", nil}, "tls_client_auth_"},
		"another method":        {[]any{"token_endpoint_auth_method", "client_secret_basic"}, "token_endpoint_auth_method"},
		"public client":         {[]any{"token_endpoint_auth_method", "none"}, "token_endpoint_auth_method"},
		"keys of no use":        {[]any{"jwks_uri", "https://x.test/jwks"}, "jwks_uri"},
		"keys over http":        {[]any{"token_endpoint_auth_method", "self_signed_tls_client_auth", "tls_client_auth_san_dns", nil, "trust_bundle", nil, "jwks_uri", "http://x.test/jwks"}, "jwks_uri"},
		"unknown scope":         {[]any{"scope", "made:up"}, "scope"},
		"unknown partner":       {[]any{"partner_id", "nobody"}, "partner_id"},
		"unknown trust bundle":  {[]any{"trust_bundle", "nobody"}, "trust_bundle"},
		"client_id with blanks": {[]any{"client_id", "a b"}, "client_id"},
		"wrong type":            {[]any{"scope", []string{"accounts:read"}}, "scope"},
	} {
		t.Run(name, func(t *testing.T) {
			response := a.send(t, "POST", clientsPath, asJSON(t, registration("wrong", "wrong.test", c.change...)))
			if response.Status != http.StatusUnprocessableEntity || !strings.Contains(string(response.Body), c.names) {
				t.Errorf("%s; want 422 that names %s", response, c.names)
			}
			a.expect(t, http.StatusNotFound, "GET", clientsPath+"/wrong", "")
		})
	}
	for _, media := range []string{"application/x-www-form-urlencoded", "text/plain", "application/jwt", ""} {
		response := a.send(t, "POST", clientsPath, asJSON(t, registration("wrong", "wrong.test")), "Content-Type", media)
		if response.Status < 400 || response.Status > 499 {
			t.Errorf("as %q: %s", media, response)
		}
	}
	// A change keeps to its client, and whoever is no administrator makes none.
	a.expect(t, http.StatusUnprocessableEntity, "PATCH", clientsPath+"/fresh", `{"client_id":"other"}`, "If-Match", "*")
	a.expect(t, http.StatusMethodNotAllowed, "PUT", clientsPath+"/fresh", asJSON(t, good))
	acme := d.Pair(t, "acme-billing")
	own := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	for _, method := range []string{"GET", "PATCH", "POST"} {
		for name, request := range map[string]harness.Request{
			"nobody": {}, "a client": {Pair: &acme, Header: http.Header{"Authorization": {"Bearer " + own}}}, "a stolen token": {Pair: &acme, Header: http.Header{"Authorization": {"Bearer " + a.token}}},
		} {
			request.Method, request.URL = method, d.Admin+clientsPath
			if method == "PATCH" {
				request.URL += "/acme-billing"
			}
			if response := d.Send(t, request); response.Status != http.StatusUnauthorized {
				t.Errorf("%s by %s: %s", method, name, response)
			}
		}
	}
}

// TestClientIDIsUnique: of many registrations at once one is made.
func TestClientIDIsUnique(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7591-3-2-1-b")
	d := harness.Start(t)
	a := newAdministrator(t, d)
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 8 {
		body := asJSON(t, registration("contested", fmt.Sprintf("contested-%d.test", i)))
		all.Go(func() {
			header := http.Header{"Authorization": {"Bearer " + a.token}, "Content-Type": {"application/json"}}
			response, err := d.Try(t, harness.Request{Method: "POST", URL: d.Admin + clientsPath, Header: header, Body: body, Client: a.client})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[response.Status]++
		})
	}
	all.Wait()
	if statuses[http.StatusCreated] != 1 || statuses[http.StatusConflict] != 7 {
		t.Errorf("answers by status: %v", statuses)
	}
}

// TestChangedSubjectCountsAtOnce, on the connection that was open before.
func TestChangedSubjectCountsAtOnce(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-5", "RFC7592-2-2")
	d := harness.Start(t)
	a := newAdministrator(t, d)
	a.expect(t, http.StatusCreated, "POST", clientsPath, asJSON(t, registration("moving", "before.test")))
	partners := d.Bundle(t, "partners")
	before, after := partners.Client(t, keystest.DNS("before.test")), partners.Client(t, keystest.DNS("after.test"))
	request := d.TokenRequest(nil, harness.TokenForm("moving").Encode())
	request.Client = d.HTTPClient(t, &before, nil)
	if response := d.Send(t, request); response.Status != http.StatusOK {
		t.Fatalf("before: %s", response)
	}
	a.expect(t, http.StatusOK, "PATCH", clientsPath+"/moving", `{"tls_client_auth_san_dns":"after.test"}`, "If-Match", "*")
	expectRefusal(t, d, d.Send(t, request), unbelieved("subject_mismatch"))
	if response := d.PostToken(t, &after, harness.TokenForm("moving")); response.Status != http.StatusOK {
		t.Errorf("after: %s", response)
	}
}
