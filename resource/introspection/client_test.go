package introspection_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/introspection"
)

var _ resource.Introspector = (*introspection.Client)(nil)

// as is an authorization server that the test scripts, over real mutual TLS.
type as struct {
	*httptest.Server
	mu        sync.Mutex
	metadata  string // %s stands for the server's own address
	answer    http.HandlerFunc
	lookUps   atomic.Int64
	questions atomic.Int64
	now       time.Time
}

func newAS(t *testing.T) *as {
	t.Helper()
	a := &as{now: time.Unix(1_800_000_000, 0)}
	a.script(`{"issuer":"%s","introspection_endpoint":"%[1]s/plain","mtls_endpoint_aliases":{"introspection_endpoint":"%[1]s/mtls"}}`,
		func(w http.ResponseWriter, _ *http.Request) { reply(w, `{"active":false}`) })
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		metadata, answer := a.metadata, a.answer
		a.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			a.lookUps.Add(1)
			reply(w, strings.ReplaceAll(strings.ReplaceAll(metadata, "%[1]s", a.URL), "%s", a.URL))
			return
		}
		a.questions.Add(1)
		answer(w, r)
	}))
	a.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func (a *as) script(metadata string, answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if metadata != "" {
		a.metadata = metadata
	}
	if answer != nil {
		a.answer = answer
	}
}

func reply(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = w.Write([]byte(body))
}

func (a *as) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

func (a *as) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *as) client(t *testing.T, change func(*introspection.Config)) *introspection.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{keystest.SelfSigned(t, keystest.CommonName("rs")).TLS()}}}
	t.Cleanup(transport.CloseIdleConnections)
	c := introspection.Config{Issuer: a.URL, ClientID: "accounts-api", HTTPClient: &http.Client{Transport: transport}, Clock: a.clock}
	if change != nil {
		change(&c)
	}
	client, err := introspection.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestQuestionAndAnswer: a POST with the certificate, the token in the body, at
// the address that the metadata names for mutual TLS.
func TestQuestionAndAnswer(t *testing.T) {
	a := newAS(t)
	bound := thumbprint.Of(keystest.SelfSigned(t).Cert)
	a.script("", func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0].Subject.CommonName != "rs" || r.Method != http.MethodPost || r.URL.String() != "/mtls" {
			t.Errorf("%s %s with %d certificates", r.Method, r.URL, len(r.TLS.PeerCertificates))
		}
		if err := r.ParseForm(); err != nil || len(r.PostForm) != 3 || r.PostForm.Get("token") != "to ken&x=y" || r.PostForm.Get("client_id") != "accounts-api" || r.PostForm.Get("token_type_hint") != "access_token" {
			t.Errorf("form %v, %v", r.PostForm, err)
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("a second credential was sent")
		}
		reply(w, fmt.Sprintf(`{"active":true,"iss":%q,"client_id":"acme","aud":"https://api.example","exp":1800000300,"scope":"a b","cnf":{"x5t#S256":%q}}`, a.URL, bound))
	})
	claims, active, err := a.client(t, nil).Introspect(t.Context(), "to ken&x=y")
	if err != nil || !active || claims.ClientID != "acme" || claims.Issuer != a.URL || !claims.Thumbprint.Equal(bound) || strings.Join(claims.Scopes, " ") != "a b" {
		t.Errorf("%+v, %t, %v", claims, active, err)
	}
}

// TestNothingIsRemembered: what was active a moment ago is asked about again.
func TestNothingIsRemembered(t *testing.T) {
	a := newAS(t)
	client := a.client(t, nil)
	for range 3 {
		if _, active, err := client.Introspect(t.Context(), "x"); active || err != nil {
			t.Fatalf("%t, %v", active, err)
		}
	}
	if a.questions.Load() != 3 || a.lookUps.Load() != 1 {
		t.Errorf("%d questions, %d look-ups", a.questions.Load(), a.lookUps.Load())
	}
	a.pass(time.Hour)
	a.script(`{"issuer":"https://evil.example","introspection_endpoint":"%s/evil"}`, nil)
	if _, _, err := client.Introspect(t.Context(), "x"); err != nil {
		t.Errorf("the old address is still good: %v", err)
	}
	if a.lookUps.Load() != 2 {
		t.Errorf("%d look-ups after an hour", a.lookUps.Load())
	}
}

func TestAnswersThatAreNotBelieved(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	body := func(text string) http.HandlerFunc { return status(http.StatusOK, text) }
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"refused", status(401, `{"error":"invalid_client","error_description":"x","reason":"certificate_expired","request_id":"r1"}`), `introspection: /mtls answered 401 instead of 200: reason "certificate_expired", request_id "r1"`},
		{"refused by another server", status(403, `{"error":"access_denied"}`), "introspection: /mtls answered 403 instead of 200"},
		{"refused in other words", status(500, `<html>`), "introspection: /mtls answered 500 instead of 200"},
		{"no content", status(204, ""), "introspection: /mtls answered 204 instead of 200"},
		{"a redirect is not followed", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "introspection: /mtls answered 307 instead of 200"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) }, `introspection: the answer is of type "text/html; charset=utf-8" instead of application/json`},
		{"signed (RFC 9701)", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/token-introspection+jwt")
			_, _ = w.Write([]byte("a.b.c"))
		}, `introspection: the answer is of type "application/token-introspection+jwt" instead of application/json`},
		{"too long", body(`{"active":true` + strings.Repeat(" ", 64<<10) + `}`), "introspection: the answer has more than 65536 octets"},
		{"not JSON", body("yes"), "accesstoken: malformed: introspection answer: "},
		{"active twice", body(`{"active":false,"active":true}`), "accesstoken: malformed: introspection answer: "},
		{"active and nothing else", body(`{"active":true}`), "accesstoken: malformed: introspection answer: iss is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAS(t)
			a.script("", tt.answer)
			claims, active, err := a.client(t, nil).Introspect(t.Context(), "x")
			if claims != nil || active || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%+v, %t, %v\nwant %s", claims, active, err, tt.want)
			}
			if a.questions.Load() != 1 {
				t.Errorf("%d questions", a.questions.Load())
			}
		})
	}
}

func TestMetadataThatIsNotBelieved(t *testing.T) {
	for name, tt := range map[string]struct{ metadata, want string }{
		"another issuer":        {`{"issuer":"https://evil.example","introspection_endpoint":"%s/x"}`, `is of issuer "https://evil.example"`},
		"no endpoint":           {`{"issuer":"%s"}`, `introspection_endpoint "" of `},
		"in the clear":          {`{"issuer":"%s","introspection_endpoint":"http://as.example/x"}`, "is not an https URL"},
		"an alias in the clear": {`{"issuer":"%s","introspection_endpoint":"%s/x","mtls_endpoint_aliases":{"introspection_endpoint":"http://as.example/x"}}`, "is not an https URL"},
		"not JSON":              {`<html>`, "introspection: metadata of "},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAS(t)
			a.script(tt.metadata, nil)
			client := a.client(t, nil)
			for range 20 {
				if _, active, err := client.Introspect(t.Context(), "x"); active || err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("%t, %v; want %s", active, err, tt.want)
				}
			}
			if a.questions.Load() != 0 || a.lookUps.Load() != 1 {
				t.Errorf("%d questions, %d look-ups", a.questions.Load(), a.lookUps.Load())
			}
			a.script(`{"issuer":"%s","introspection_endpoint":"%s/x"}`, nil)
			a.pass(time.Second)
			if _, _, err := client.Introspect(t.Context(), "x"); err != nil {
				t.Errorf("after a second: %v", err)
			}
		})
	}
}

// TestSlowServer: a question ends with its time or its caller, and no more than
// Concurrent of them wait.
func TestSlowServer(t *testing.T) {
	a := newAS(t)
	gate, asked := make(chan struct{}), make(chan struct{}, 10)
	a.script("", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // net/http notices that a caller has gone once the body is read
		asked <- struct{}{}
		select {
		case <-gate:
			reply(w, `{"active":false}`)
		case <-r.Context().Done():
		}
	})
	client := a.client(t, func(c *introspection.Config) { c.Concurrent, c.Timeout = 1, 20*time.Second })
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, _, err := client.Introspect(ctx, "x")
		first <- err
	}()
	<-asked
	if _, _, err := client.Introspect(t.Context(), "y"); !errors.Is(err, introspection.ErrBusy) {
		t.Errorf("the second of one: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller left: %v", err)
	}
	close(gate)
	if _, active, err := client.Introspect(t.Context(), "y"); active || err != nil {
		t.Errorf("afterwards: %t, %v", active, err)
	}
	hasty := a.client(t, func(c *introspection.Config) { c.Timeout = 50 * time.Millisecond })
	a.script("", func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		<-r.Context().Done()
	})
	if _, active, err := hasty.Introspect(t.Context(), "x"); active || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that never answers: %t, %v", active, err)
	}
}

// TestServerIsAuthenticated: nobody else is shown a token.
func TestServerIsAuthenticated(t *testing.T) {
	a := newAS(t)
	client := a.client(t, func(c *introspection.Config) {
		c.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: keystest.NewCA(t, "other").Pool()}}}
	})
	if _, _, err := client.Introspect(t.Context(), "x"); err == nil || a.questions.Load()+a.lookUps.Load() != 0 {
		t.Errorf("%v", err)
	}
}

func TestUnboundIsSaid(t *testing.T) {
	a := newAS(t)
	a.script("", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, fmt.Sprintf(`{"active":true,"iss":%q,"client_id":"a","aud":"x","exp":1,"cnf":{"jkt":"x"}}`, a.URL))
	})
	if _, active, err := a.client(t, nil).Introspect(t.Context(), "x"); active || !errors.Is(err, accesstoken.ErrUnbound) {
		t.Errorf("%t, %v", active, err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := introspection.New(introspection.Config{Issuer: "http://as.example", URL: "https://u@as.example", Timeout: time.Minute, Concurrent: -1})
	const want = `introspection: Issuer "http://as.example" is not an https URL without user, query and fragment
introspection: URL "https://u@as.example" is not an https URL without user and fragment
introspection: ClientID is required
introspection: HTTPClient is required: introspection is for clients with a certificate
introspection: Timeout 1m0s is not between 0 and 30s
introspection: Concurrent must not be negative`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}
