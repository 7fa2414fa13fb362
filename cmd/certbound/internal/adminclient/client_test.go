package adminclient

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

func TestNew(t *testing.T) {
	pair, roots := keystest.SelfSigned(t).TLS(), x509.NewCertPool()
	for want, c := range map[string]Config{
		`adminclient: the server "http://a" is not an https URL without path`:    {Server: "http://a"},
		`adminclient: the server "https://a/b" is not an https URL without path`: {Server: "https://a/b"},
		`adminclient: the server "" is not an https URL without path`:            {},
		"adminclient: the client id is missing":                                  {Server: "https://a/"},
		"adminclient: the certificate or the roots are missing":                  {Server: "https://a", ClientID: "root"},
	} {
		if _, err := New(c); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := New(Config{Server: "https://a/", ClientID: "root", Certificate: pair, RootCAs: roots}); err != nil {
		t.Error(err)
	}
}

// TestNextPage: the token follows no link to another server.
func TestNextPage(t *testing.T) {
	for link, want := range map[string]string{
		`</a?b=c>; rel="next"`:               "/a?b=c",
		`<//evil.example/a>; rel="next"`:     "",
		`<https://evil.example>; rel="next"`: "",
		`</a>; rel="prev"`:                   "",
		``:                                   "",
	} {
		if got := nextPage(link); got != want {
			t.Errorf("nextPage(%s) = %q, want %q", link, got, want)
		}
	}
}

// TestNotAnAdminAPI: what answers something else is named as that, and is sent no
// token.
func TestNotAnAdminAPI(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("it was sent a token")
		}
		http.Redirect(w, r, "https://evil.example", http.StatusFound)
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c, err := New(Config{Server: server.URL, ClientID: "root", Certificate: keystest.SelfSigned(t).TLS(), RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Get(t.Context(), "/admin/v1/clients", nil)
	if err == nil || err.Error() != "adminclient: status 302 from what is not an admin API" {
		t.Error(err)
	}
}
