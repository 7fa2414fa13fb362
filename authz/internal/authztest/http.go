package authztest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/servertls"
)

// Serve starts a listener with the timeouts and limits of the real one.
func (w *World) Serve(h http.Handler) *httptest.Server { return w.serve(h, 0) }

// ServeWithin starts a listener whose timeouts are short.
func (w *World) ServeWithin(timeout time.Duration, h http.Handler) *httptest.Server {
	return w.serve(h, timeout)
}

func (w *World) serve(h http.Handler, timeout time.Duration) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{
		ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		NextProtos: []string{"h2", "http/1.1"},
	}
	server.Config = servertls.HTTPServer(h, server.TLS, w.Logger)
	if timeout > 0 {
		server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
	}
	server.StartTLS()
	w.T.Cleanup(server.Close)
	return server
}

// HTTPClient presents the pair, or no certificate.
func (w *World) HTTPClient(server *httptest.Server, pair *keystest.Pair) *http.Client {
	return HTTPClient(w.T, server, pair)
}

// HTTPClient presents the pair, or no certificate.
func HTTPClient(t testing.TB, server *httptest.Server, pair *keystest.Pair) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	config := &tls.Config{RootCAs: roots, ServerName: "example.com"}
	if pair != nil {
		certificate := pair.TLS()
		// Whatever the server hints at: this is the certificate we show.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Answer is a response, read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Reason is the member of a refusal's body.
func (a Answer) Reason() string { return a.member("reason") }

// Error is the error code of a refusal's body.
func (a Answer) Error() string { return a.member("error") }

func (a Answer) member(name string) string {
	var body map[string]any
	if json.Unmarshal([]byte(a.Body), &body) != nil {
		return ""
	}
	text, _ := body[name].(string)
	return text
}

// Do sends a request.
func (w *World) Do(client *http.Client, r *http.Request) Answer {
	w.T.Helper()
	a, err := Do(client, r)
	w.must(err)
	return a
}

// Do sends a request; it is for goroutines, which must not end the test.
func Do(client *http.Client, r *http.Request) (Answer, error) {
	response, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, string(body)}, err
}

// Form is a POST of a form.
func (w *World) Form(url, body string) *http.Request {
	w.T.Helper()
	r, err := http.NewRequestWithContext(w.T.Context(), http.MethodPost, url, strings.NewReader(body))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}
