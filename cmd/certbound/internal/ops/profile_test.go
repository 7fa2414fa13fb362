package ops

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestProfilesAreThereOnlyWhenAskedFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.Handler
		want    int
	}{
		{"asked for", WithProfiles(Handler(nil)), http.StatusOK},
		{"not asked for", Handler(nil), http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/", nil))
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
		w = httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/livez", nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: /livez answers %d", c.name, w.Code)
		}
	}
}
