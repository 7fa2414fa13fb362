package authz_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestEveryEndpointIsObserved asks each endpoint once. That what was logged was
// observed is looked at when the world ends, here and in all other tests.
func TestEveryEndpointIsObserved(t *testing.T) {
	w := newWorld(t)
	w.token(&w.acme, "acme-billing")
	asked := 1
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/revocations", "/nowhere"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.http.URL+path, strings.NewReader(url.Values{"client_id": {"stranger"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w.do(w.client(&w.acme), r)
		asked++
	}
	w.admin(t)
	asked++
	if got := strings.Count(w.log.text(), `"msg":"decision"`); got != asked {
		t.Errorf("%d decisions were logged, want %d", got, asked)
	}
}

// admin asks the admin API for something it refuses.
func (w *world) admin(t *testing.T) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.server.Admin().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/v1/clients", nil))
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("the admin API answered %d", rec.Code)
	}
}
