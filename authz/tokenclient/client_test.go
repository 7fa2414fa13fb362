package tokenclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// as is an authorization server that is scripted by the test.
type as struct {
	*httptest.Server
	metadata string // %s stands for the server's own address
	token    http.HandlerFunc
}

func newAS(t *testing.T) *as {
	t.Helper()
	a := &as{metadata: `{"issuer":"%s","token_endpoint":"%[1]s/plain","mtls_endpoint_aliases":{"token_endpoint":"%[1]s/mtls"}}`}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, a.metadata, a.URL)
			return
		}
		a.token(w, r)
	}))
	a.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	a.StartTLS()
	t.Cleanup(a.Close)
	a.token = func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 || r.Method != http.MethodPost {
			http.Error(w, "no certificate", http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"%s %s %s %s %s","token_type":"bearer","expires_in":60,"scope":"a b"}`,
			r.URL.Path, r.FormValue("grant_type"), r.FormValue("client_id"), r.FormValue("scope"), r.FormValue("resource"))
	}
	return a
}

func (a *as) client(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate())
	c := Config{Issuer: a.URL, ClientID: "acme", Certificate: keystest.SelfSigned(t).TLS(), RootCAs: roots}
	if change != nil {
		change(&c)
	}
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestToken(t *testing.T) {
	a := newAS(t)
	request := Request{Scopes: []string{"a", "b"}, Resource: "https://api.example"}
	// The alias is preferred (RFC 8705 §5); without one the plain endpoint serves.
	for want, change := range map[string]func(*Config){
		"/mtls client_credentials acme a b https://api.example":  nil,
		"/other client_credentials acme a b https://api.example": func(c *Config) { c.TokenEndpoint = a.URL + "/other" },
	} {
		token, err := a.client(t, change).Token(t.Context(), request)
		if err != nil || token.AccessToken != want || token.ExpiresIn != 60 || token.Scope != "a b" {
			t.Errorf("%+v, %v; want %s", token, err, want)
		}
	}
	a.metadata = `{"issuer":"%s","token_endpoint":"%[1]s/plain"}`
	token, err := a.client(t, nil).Token(t.Context(), Request{})
	if err != nil || token.AccessToken != "/plain client_credentials acme  " {
		t.Errorf("%+v, %v", token, err)
	}
}

func TestRefusalNamesReasonAndRequest(t *testing.T) {
	a := newAS(t)
	a.token = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"no","reason":"certificate_missing","request_id":"r1"}`))
	}
	_, err := a.client(t, nil).Token(t.Context(), Request{})
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Status != 401 || refusal.Code != "invalid_client" || refusal.Reason != "certificate_missing" || refusal.RequestID != "r1" {
		t.Fatalf("%#v", err)
	}
	want := "tokenclient: the authorization server refused: 401 invalid_client (certificate_missing): no; request_id r1"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestAnswersThatAreNotBelieved(t *testing.T) {
	for _, c := range []struct {
		name, metadata, want string
		token                http.HandlerFunc
	}{
		{"metadata of another issuer", `{"issuer":"https://evil.example","token_endpoint":"%s/x"}`, "is of issuer", nil},
		{"plain http endpoint", `{"issuer":"%s","token_endpoint":"http://as.example/token"}`, "not an https URL", nil},
		{"metadata is not JSON", `<html>%s`, "not the expected JSON", nil},
		{"not an OAuth error", "", "not an OAuth error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }},
		{"a redirect is not followed", "", "302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
		{"no token in the answer", "", "no bearer token", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token_type":"Bearer"}`)) }},
		{"a token of another type", "", "no bearer token", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"access_token":"x","token_type":"DPoP"}`))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAS(t)
			if c.metadata != "" {
				a.metadata = c.metadata
			}
			if c.token != nil {
				a.token = c.token
			}
			_, err := a.client(t, nil).Token(t.Context(), Request{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestServerIsAuthenticated(t *testing.T) {
	a := newAS(t)
	client := a.client(t, func(c *Config) { c.RootCAs = keystest.NewCA(t, "Other CA").Pool() })
	if _, err := client.Token(t.Context(), Request{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v, want one about the server's certificate", err)
	}
}

func TestNewRefuses(t *testing.T) {
	certificate := keystest.SelfSigned(t).TLS()
	for want, c := range map[string]Config{
		"tokenclient: Config.ClientID is missing":                       {Issuer: "https://as.example", Certificate: certificate},
		"tokenclient: Config.Certificate is missing":                    {Issuer: "https://as.example", ClientID: "a"},
		"tokenclient: Config.Issuer or Config.TokenEndpoint is missing": {ClientID: "a", Certificate: certificate},
		`tokenclient: "http://as.example" is not an https URL`:          {Issuer: "http://as.example", ClientID: "a", Certificate: certificate},
		`tokenclient: "ftp://as.example/token" is not an https URL`:     {TokenEndpoint: "ftp://as.example/token", ClientID: "a", Certificate: certificate},
	} {
		if _, err := New(c); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestMetadataURL(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://as.example":      "https://as.example/.well-known/oauth-authorization-server",
		"https://as.example/bank": "https://as.example/.well-known/oauth-authorization-server/bank",
	} {
		if got := metadataURL(issuer); got != want {
			t.Errorf("metadataURL(%q) = %q", issuer, got)
		}
	}
}
