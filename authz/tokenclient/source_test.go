package tokenclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
)

// world is an authorization server whose tokens name the certificate they were
// asked for with, and an API that takes them over that certificate only.
type world struct {
	as, api  *httptest.Server
	tokens   atomic.Int64 // issued
	calls    atomic.Int64 // of the API
	expires  atomic.Int64 // expires_in
	fail     atomic.Bool  // the authorization server refuses
	deny     atomic.Int64 // calls that the API answers with 401 whatever the token
	gate     chan struct{}
	mu       sync.Mutex
	now      time.Time
	log      bytes.Buffer
	dir      string
	ca       *keystest.CA
	original keystest.Pair
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Unix(1_800_000_000, 0), dir: t.TempDir(), ca: keystest.NewCA(t, "partners")}
	w.expires.Store(300)
	w.original = w.ca.Client(t, keystest.CommonName("acme"))
	w.original.WriteFiles(t, w.dir, "client")
	w.as = serve(t, w.issue)
	w.api = serve(t, w.call)
	return w
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (w *world) issue(rw http.ResponseWriter, r *http.Request) {
	if w.gate != nil {
		<-w.gate
	}
	rw.Header().Set("Content-Type", "application/json")
	if w.fail.Load() {
		rw.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(rw, `{"error":"temporarily_unavailable"}`)
		return
	}
	n := w.tokens.Add(1)
	_, _ = fmt.Fprintf(rw, `{"access_token":"%d.%s","token_type":"Bearer","expires_in":%d}`, n, thumbprint.Of(r.TLS.PeerCertificates[0]), w.expires.Load())
}

func (w *world) call(rw http.ResponseWriter, r *http.Request) {
	w.calls.Add(1)
	body, _ := io.ReadAll(r.Body)
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, bound, _ := strings.Cut(token, ".")
	if len(r.TLS.PeerCertificates) == 0 || bound != thumbprint.Of(r.TLS.PeerCertificates[0]).String() || w.deny.Add(-1) >= 0 {
		rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(rw, "refused")
		return
	}
	_, _ = fmt.Fprintf(rw, "%s %s %s", r.Proto, token, body)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Write is the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) source(t *testing.T) *Source {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(w.as.Certificate())
	s, err := NewSource(SourceConfig{
		Config:       Config{TokenEndpoint: w.as.URL + "/token", ClientID: "acme", RootCAs: roots},
		Request:      Request{Resource: w.api.URL},
		Certificates: NewFiles(filepath.Join(w.dir, "client.pem"), filepath.Join(w.dir, "client.key")),
		Clock:        w.clock, Logger: slog.New(slog.NewTextHandler(w, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (w *world) client(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(w.api.Certificate())
	base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
	transport, err := w.source(t).Transport(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get calls the API and returns the answer.
func (w *world) get(t *testing.T, client *http.Client) string {
	t.Helper()
	return w.do(t, client, http.MethodGet, nil)
}

func (w *world) do(t *testing.T, client *http.Client, method string, body io.Reader) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.api.URL+"/accounts", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return err.Error()
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, answer)
}

// TestRenewedCertificateMeansANewToken: same key, new certificate, over
// connections that are open (MSAL.NET#6117 kept the old token).
func TestRenewedCertificateMeansANewToken(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			w := newWorld(t)
			client := w.client(t, http2)
			protocol := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]
			want := func(n int, pair keystest.Pair) string {
				return fmt.Sprintf("200 %s %d.%s ", protocol, n, thumbprint.Of(pair.Cert))
			}
			for range 3 {
				if got := w.get(t, client); got != want(1, w.original) {
					t.Fatalf("got %q, want %q", got, want(1, w.original))
				}
			}
			renewed := w.ca.Client(t, keystest.CommonName("acme"), keystest.WithKey(w.original.Key))
			renewed.WriteFiles(t, w.dir, "client")
			for range 3 {
				if got := w.get(t, client); got != want(2, renewed) {
					t.Fatalf("after the renewal: got %q, want %q", got, want(2, renewed))
				}
			}
			if w.calls.Load() != 6 {
				t.Errorf("%d calls: the renewal was noticed by a refusal", w.calls.Load())
			}
		})
	}
}

// TestHalfWrittenCertificate: what does not fit together is not used, and what
// was good stays.
func TestHalfWrittenCertificate(t *testing.T) {
	w := newWorld(t)
	client := w.client(t, false)
	first := w.get(t, client)
	next := w.ca.Client(t, keystest.CommonName("acme"))
	other := t.TempDir()
	next.WriteFiles(t, other, "client")
	move := func(name string) {
		t.Helper()
		if err := os.Rename(filepath.Join(other, name), filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	move("client.pem")
	for range 3 {
		if got := w.get(t, client); got != first {
			t.Errorf("certificate without its key: %q", got)
		}
	}
	if n := strings.Count(w.logged(), "client_certificate_not_loaded"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, w.logged())
	}
	move("client.key")
	if got := w.get(t, client); !strings.Contains(got, thumbprint.Of(next.Cert).String()) {
		t.Errorf("both files: %q", got)
	}
	if err := os.Remove(filepath.Join(w.dir, "client.pem")); err != nil {
		t.Fatal(err)
	}
	if got := w.get(t, client); !strings.HasPrefix(got, "200 ") {
		t.Errorf("a file is gone: %q", got)
	}
}

func TestOneQuestionForAllWhoWait(t *testing.T) {
	w := newWorld(t)
	w.gate = make(chan struct{})
	source := w.source(t)
	impatient, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	started := make(chan struct{}, 51)
	wg.Go(func() {
		started <- struct{}{}
		if _, _, err := source.Token(impatient); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for range 50 {
		wg.Go(func() {
			started <- struct{}{}
			token, certificate, err := source.Token(t.Context())
			if err != nil || !strings.HasPrefix(token.AccessToken, "1.") || certificate == nil {
				t.Errorf("%+v, %v", token, err)
			}
		})
	}
	for range 51 {
		<-started
	}
	leave() // which must not take it from the others
	close(w.gate)
	wg.Wait()
	if w.tokens.Load() != 1 {
		t.Errorf("%d tokens", w.tokens.Load())
	}
}

// TestRefreshBeforeExpiry: in the last fifth the next token is asked for behind
// the requests, and what cannot be refreshed is used to its end.
func TestRefreshBeforeExpiry(t *testing.T) {
	w := newWorld(t)
	source := w.source(t)
	number := func() string {
		t.Helper()
		token, _, err := source.Token(t.Context())
		if err != nil {
			return err.Error()
		}
		n, _, _ := strings.Cut(token.AccessToken, ".")
		return n
	}
	idle := func() { // until no question is under way
		s, err := source.session()
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		f := s.flight
		s.mu.Unlock()
		if f != nil {
			<-f.done
		}
	}
	for _, at := range []time.Duration{0, 239 * time.Second} {
		w.pass(at)
		if got := number(); got != "1" || w.tokens.Load() != 1 {
			t.Fatalf("%v: token %s of %d", at, got, w.tokens.Load())
		}
	}
	w.pass(time.Second) // 240 of 300
	if got := number(); got != "1" {
		t.Errorf("the old one is good while the next is asked for: %s", got)
	}
	idle()
	if got := number(); got != "2" {
		t.Errorf("token %s", got)
	}
	w.fail.Store(true)
	w.pass(294 * time.Second)
	if got := number(); got != "2" {
		t.Errorf("the refresh fails, and the token is still good: %s", got)
	}
	idle()
	if !strings.Contains(w.logged(), "token_not_refreshed") {
		t.Errorf("logged\n%s", w.logged())
	}
	w.pass(2 * time.Second)
	const refused = "tokenclient: the authorization server refused: 503 temporarily_unavailable"
	if got := number(); got != refused {
		t.Errorf("too near to its end: %s", got)
	}
	w.fail.Store(false)
	if got := number(); got != refused || w.tokens.Load() != 2 {
		t.Errorf("at once after a failure: %s", got)
	}
	w.pass(time.Second)
	if got := number(); got != "3" {
		t.Errorf("after a pause: %s", got)
	}
}

// TestRetryOn401: once, with a new token, and with the whole body.
func TestRetryOn401(t *testing.T) {
	type hidden struct{ io.Reader } // a body that net/http does not know how to repeat
	for _, tt := range []struct {
		name         string
		deny         int64
		age          time.Duration // of the token
		body         func() io.Reader
		want         string
		calls, asked int64
	}{
		{"no body", 1, time.Minute, func() io.Reader { return nil }, "200 HTTP/1.1 2", 2, 2},
		{"a body", 1, time.Minute, func() io.Reader { return strings.NewReader("pay") }, "200 HTTP/1.1 2", 2, 2},
		{"refused again", 2, time.Minute, func() io.Reader { return strings.NewReader("pay") }, "401 refused", 2, 2},
		{"a body that is gone", 1, time.Minute, func() io.Reader { return hidden{strings.NewReader("pay")} }, "401 refused", 1, 1},
		{"a token as good as new", 1, 0, func() io.Reader { return nil }, "401 refused", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			client := w.client(t, false)
			if got := w.get(t, client); !strings.HasPrefix(got, "200 ") {
				t.Fatal(got)
			}
			w.pass(tt.age)
			w.calls.Store(0)
			w.deny.Store(tt.deny)
			got := w.do(t, client, http.MethodPost, tt.body())
			if !strings.HasPrefix(got, tt.want) || w.calls.Load() != tt.calls || w.tokens.Load() != tt.asked {
				t.Errorf("%q after %d calls with %d tokens", got, w.calls.Load(), w.tokens.Load())
			}
			if tt.body() != nil && strings.HasPrefix(got, "200") && !strings.HasSuffix(got, " pay") {
				t.Errorf("the body was not sent again: %q", got)
			}
		})
	}
	w := newWorld(t)
	client := w.client(t, false)
	w.get(t, client)
	w.pass(time.Minute)
	w.deny.Store(1)
	w.fail.Store(true)
	if got := w.get(t, client); got != "401 refused" {
		t.Errorf("there is no new token: %q; the caller gets the answer there was", got)
	}
}

// TestTokenStaysAtHome: the token goes to its API only.
func TestTokenStaysAtHome(t *testing.T) {
	w := newWorld(t)
	client := w.client(t, false)
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("another host was called") })
	redirect := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, other.URL, http.StatusTemporaryRedirect)
	})
	for address, want := range map[string]string{
		other.URL: "tokenclient: the token is not for host",
		strings.Replace(w.api.URL, "https", "http", 1): "tokenclient: a token is sent over https only",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", address, response, err)
		}
	}
	source := w.source(t)
	roots := x509.NewCertPool()
	roots.AddCert(redirect.Certificate())
	transport, err := source.Transport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, strings.TrimPrefix(redirect.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, redirect.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := (&http.Client{Transport: transport}).Do(req); err == nil || !strings.Contains(err.Error(), "the token is not for host") {
		t.Errorf("a redirect: %v, %v", response, err)
	}
	req.Header.Set("Authorization", "Bearer other")
	if response, err := transport.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "has an Authorization header already") { //nolint:bodyclose // there is none
		t.Errorf("%v, %v", response, err)
	}
	shared := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{"h2": nil}}
	if _, err := source.Transport(shared); err == nil || err.Error() != "tokenclient: base has a TLSNextProto, which would share connections between certificates; set ForceAttemptHTTP2 or Protocols instead" {
		t.Errorf("got %v", err)
	}
	source.config.Resource = "urn:accounts"
	if _, err := source.Transport(nil); err == nil || err.Error() != "tokenclient: no host is named that the token may be sent to, and Resource is not an https URL" {
		t.Errorf("got %v", err)
	}
}

func TestNewSourceRefuses(t *testing.T) {
	config := Config{Issuer: "https://as.example", ClientID: "a"}
	for want, c := range map[string]SourceConfig{
		"tokenclient: there is no certificate":    {Config: config},
		"tokenclient: stat ":                      {Config: config, Certificates: NewFiles(filepath.Join(t.TempDir(), "none.pem"), "none.key")},
		"tokenclient: Config.ClientID is missing": {Config: Config{Issuer: "https://as.example", Certificate: keystest.SelfSigned(t).TLS()}},
	} {
		if _, err := NewSource(c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
