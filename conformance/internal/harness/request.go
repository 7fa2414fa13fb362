package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

// FormType is the one content type of a token request.
const FormType = "application/x-www-form-urlencoded"

// Request is a request with everything under the test's control.
type Request struct {
	Method string
	URL    string
	Header http.Header // sent as it is; names are not made canonical
	Body   string
	Pair   *keystest.Pair    // the client certificate; nil for none
	TLS    func(*tls.Config) // last word on the TLS side
	Client *http.Client      // an open connection to use; nil for a new one
}

// Response is what came back, read to the end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	TLS    *tls.ConnectionState
}

// HTTPClient returns a client that presents the certificate, follows no
// redirect and keeps its connections until the test ends.
func (d *Dev) HTTPClient(t testing.TB, pair *keystest.Pair, adjust func(*tls.Config)) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: d.roots}
	if pair != nil {
		cert := pair.TLS()
		// Certificates would let crypto/tls leave out one that the server's
		// CertificateRequest does not seem to want.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	if adjust != nil {
		adjust(config)
	}
	transport := &http.Transport{TLSClientConfig: config, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Try sends the request and returns the transport's error, if there is one.
func (d *Dev) Try(t testing.TB, r Request) (*Response, error) {
	t.Helper()
	client := r.Client
	if client == nil {
		client = d.HTTPClient(t, r.Pair, r.TLS)
	}
	req, err := http.NewRequestWithContext(context.Background(), r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	if r.Body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &Response{resp.StatusCode, resp.Header, body, resp.TLS}, nil
}

// Send sends the request; a transport error fails the test.
func (d *Dev) Send(t testing.TB, r Request) *Response {
	t.Helper()
	resp, err := d.Try(t, r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return resp
}

// TokenForm is a token request's form, with more parameters as name, value.
func TokenForm(clientID string, more ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return form
}

// PostToken sends a form to the token endpoint.
func (d *Dev) PostToken(t testing.TB, pair *keystest.Pair, form url.Values) *Response {
	t.Helper()
	return d.Send(t, d.TokenRequest(pair, form.Encode()))
}

// TokenRequest is a token request with the body as it is to be sent.
func (d *Dev) TokenRequest(pair *keystest.Pair, body string) Request {
	return Request{
		Method: http.MethodPost, URL: d.TokenEndpoint, Body: body, Pair: pair,
		Header: http.Header{"Content-Type": {FormType}},
	}
}

// Token is the answer of RFC 6749 §5.1.
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// Token returns a token; a refusal fails the test.
func (d *Dev) Token(t testing.TB, pair *keystest.Pair, form url.Values) Token {
	t.Helper()
	resp := d.PostToken(t, pair, form)
	if resp.Status != http.StatusOK {
		t.Fatalf("token request %s: %s", form.Encode(), resp)
	}
	var token Token
	if err := json.Unmarshal(resp.Body, &token); err != nil {
		t.Fatalf("token response: %v in %s", err, resp.Body)
	}
	return token
}

// CallAPI calls the API through the proxy with a token in the Authorization
// header.
func (d *Dev) CallAPI(t testing.TB, pair *keystest.Pair, token string) *Response {
	t.Helper()
	return d.Send(t, d.APIRequest(pair, token))
}

// APIRequest is GET /accounts with a token.
func (d *Dev) APIRequest(pair *keystest.Pair, token string) Request {
	return Request{
		Method: http.MethodGet, URL: d.Proxy + "/accounts", Pair: pair,
		Header: http.Header{"Authorization": {"Bearer " + token}},
	}
}

var firstNumber = regexp.MustCompile(`\d+`)

// Hits is how many requests have reached the API behind the proxy.
func (d *Dev) Hits(t testing.TB) int {
	t.Helper()
	resp, err := d.Try(t, Request{Method: http.MethodGet, URL: d.Upstream.Hits})
	if err != nil {
		t.Fatalf("upstream hits: %v", err)
	}
	n, err := strconv.Atoi(string(firstNumber.Find(resp.Body)))
	if err != nil {
		t.Fatalf("upstream hits: %s", resp)
	}
	return n
}

// Refusal is the common body of every refusal.
type Refusal struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	Reason           string `json:"reason"`
	RequestID        string `json:"request_id"`
}

// Refusal reads the body of a refusal: exactly these four members.
func (r *Response) Refusal(t testing.TB) Refusal {
	t.Helper()
	var refusal Refusal
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&refusal); err != nil {
		t.Fatalf("body of a refusal: %v in %s", err, r)
	}
	return refusal
}

func (r *Response) String() string {
	return fmt.Sprintf("status %d, body %q", r.Status, tail(string(r.Body)))
}

// Decision is the log line of the decision this response came from.
func (d *Dev) Decision(t testing.TB, r *Response) Line {
	t.Helper()
	id := r.Header.Get("X-Request-Id")
	if id == "" {
		t.Fatalf("no X-Request-Id: %s", r)
	}
	return d.Stderr.WaitFor(t, "decision "+id, func(l Line) bool {
		return l.Text("msg") == "decision" && l.Text("request_id") == id
	})
}
