package conformance

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// echo is what the API behind the proxy says it received.
type echo struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers http.Header `json:"headers"`
}

func echoed(t *testing.T, resp *harness.Response) echo {
	t.Helper()
	var e echo
	if err := json.Unmarshal(resp.Body, &e); err != nil || resp.Status != http.StatusOK {
		t.Fatalf("no echo: %v in %s", err, resp)
	}
	return e
}

func TestVerifiedIdentityReachesTheAPI(t *testing.T) {
	clause.Covers(t, "RFC9440-2-4-a", "RFC9700-4-9-3", "RFC9440-2-1-a")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	resp := d.CallAPI(t, &acme, token)
	got := echoed(t, resp).Headers
	for name, want := range map[string]string{
		"X-Certbound-Client": "acme-billing", "X-Certbound-Partner": "acme", "X-Certbound-Scope": "accounts:read",
		"Client-Cert":  ":" + base64.StdEncoding.EncodeToString(acme.Cert.Raw) + ":",
		"X-Request-Id": resp.Header.Get("X-Request-Id"), "X-Forwarded-Proto": "https",
	} {
		if values := got[name]; len(values) != 1 || values[0] != want {
			t.Errorf("the API received %s: %q, want %q", name, values, want)
		}
	}
	if _, there := got["Authorization"]; there {
		t.Error("the API received the token")
	}
}

// TestForgedIdentityIsStripped sends every header by which some server learns
// who is calling. None may reach the API as the caller wrote it.
func TestForgedIdentityIsStripped(t *testing.T) {
	clause.Covers(t, "RFC9440-2-4-a", "RFC9440-2-4-b", "RFC9700-4-13", "RFC7239-8-1", "RFC9110-7-6-1")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	const forgedValue = "forged-by-the-caller"
	for _, name := range []string{
		"Client-Cert", "client-cert", "CLIENT-CERT", "Client_Cert", "client_cert", "Client-Cert-Chain", "Client_Cert_Chain", "Client.Cert",
		"X-Certbound-Client", "x-certbound-client", "X_Certbound_Client", "X-Certbound_Client", "X-Certbound-Partner", "X-Certbound-Scope", "X-Certbound-Anything",
		"X-Forwarded-Client-Cert", "X_Forwarded_Client_Cert", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-Ssl-Cert", "SSL-Client-Cert", "SSL_CLIENT_S_DN", "Ssl-Client-Verify",
		"X-Client-Cert", "X-Client-CN", "X-Client-Identity", "X-Client-Verify", "X-Amzn-Mtls-Clientcert", "X-ARR-ClientCert", "X-Forwarded-Tls-Client-Cert",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User", "Forwarded", "X-Real-IP", "True-Client-IP", "X_Real_Ip",
		"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Request-Id", "X_Request_Id",
		"Keep-Alive", "Keep_Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy_Authorization",
	} {
		t.Run(name, func(t *testing.T) {
			forged := func(req harness.Request) *harness.Response {
				req.Header[name] = []string{forgedValue, forgedValue}
				return d.Send(t, req)
			}
			expect := func(resp *harness.Response) {
				t.Helper()
				for received, values := range echoed(t, resp).Headers {
					if strings.Contains(strings.Join(values, " "), forgedValue) {
						t.Errorf("the API received %s: %q", received, values)
					}
				}
				if got := echoed(t, resp).Headers["X-Certbound-Client"]; len(got) != 1 || got[0] != "acme-billing" {
					t.Errorf("the API received X-Certbound-Client %q", got)
				}
				if resp.Header.Get("X-Request-Id") == forgedValue {
					t.Error("the caller chose the request id")
				}
			}
			expect(forged(d.APIRequest(&acme, token)))
			// A header that the connection owns must not be dropped by the caller
			// either, after the proxy has set it.
			req := d.APIRequest(&acme, token)
			req.Header["Connection"] = []string{"X-Certbound-Client, Client-Cert"}
			expect(forged(req))
		})
	}
}

func TestNoCertificateInAnswers(t *testing.T) {
	clause.Covers(t, "RFC9440-2-2-a")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	for _, resp := range []*harness.Response{d.CallAPI(t, &acme, token), d.CallAPI(t, nil, token)} {
		for name := range resp.Header {
			if strings.HasPrefix(name, "Client-Cert") || strings.HasPrefix(name, "X-Certbound-") {
				t.Errorf("the answer has %s", name)
			}
		}
	}
}

// TestHeadersDoNotReplaceTheHandshake is the resource server's twin of the
// authorization server's test.
func TestHeadersDoNotReplaceTheHandshake(t *testing.T) {
	clause.Covers(t, "RFC9440-2-4-b", "RFC8705-3-b", "RFC9440-4-a")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	mallory := d.Pair(t, "mallory-app")
	value := ":" + base64.StdEncoding.EncodeToString(acme.Cert.Raw) + ":"
	for hands, want := range map[*keystest.Pair]string{nil: "certificate_missing", &mallory: "thumbprint_mismatch"} {
		req := d.APIRequest(hands, token)
		req.Header["Client-Cert"] = []string{value}
		expectAPIRefusal(t, d, req, badToken(want))
	}
}

// TestOnePathOneReading sends spellings that policy and API might read
// differently, straight over the wire so that no client library cleans them.
func TestOnePathOneReading(t *testing.T) {
	clause.Covers(t, "RFC9700-4-13", "RFC3986-6-2-2")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	for path, status := range map[string]int{
		"/accounts":             200,
		"/accounts?x=1":         200,
		"/accounts/":            404,
		"/Accounts":             404,
		"/accounts/1":           404,
		"/":                     404,
		"/hits":                 404,
		"//accounts":            400,
		"/./accounts":           400,
		"/x/../accounts":        400,
		"/accounts/..":          400,
		"/accounts/.":           400,
		"/accounts//":           400,
		"/accounts%2F":          400,
		"/accounts%2f1":         400,
		"/%2Faccounts":          400,
		"/x%2F..%2Faccounts":    400,
		"/%2e%2e/accounts":      400,
		"/%2E/accounts":         400,
		"/accounts%00":          400,
		"/accounts%0a":          400,
		"/accounts%5C":          400,
		"/accounts\\":           400,
		"/accounts;x=1":         400,
		"/accounts%252F":        400,
		"/accounts%":            400,
		"/accounts%zz":          400,
		"/accounts%ff":          400,
		"/%61ccounts":           400,
		"accounts":              400,
		"*":                     400,
		"/accounts#x":           400,
		"http://other/accounts": 400,
	} {
		t.Run(path, func(t *testing.T) {
			before := d.Hits(t)
			got := rawGet(t, d, &acme, path, token)
			if after := d.Hits(t); got != 200 && after != before {
				t.Errorf("status %d, and it reached the API", got)
			}
			// What is refused may be refused as malformed or as unknown; what must
			// not happen is that it is served.
			if got != status && (status == 200 || got == 200 || got != 404 && got != 400) {
				t.Errorf("status %d, want %d", got, status)
			}
		})
	}
}

// rawGet sends a request target as it is.
func rawGet(t *testing.T, d *harness.Dev, pair *keystest.Pair, target, token string) int {
	t.Helper()
	proxy, err := url.Parse(d.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	transport := d.HTTPClient(t, pair, nil).Transport.(*http.Transport)
	conn, err := tls.Dial("tcp", proxy.Host, transport.TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", target, proxy.Host, token); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestMethodsOfARoute(t *testing.T) {
	clause.Covers(t, "RFC9110-9-1", "RFC9110-15-5-6")
	d, acme := victim(t)
	edge := d.Pair(t, "acme-edge")
	token := d.Token(t, &edge, harness.TokenForm("acme-edge")).AccessToken
	for _, method := range []string{"PUT", "DELETE", "PATCH", "get", "Post", "FOO", "TRACE"} {
		t.Run(method, func(t *testing.T) {
			for _, hands := range []*keystest.Pair{&edge, &acme, nil} { // before any token work
				req := d.APIRequest(hands, token)
				req.Method = method
				resp, _ := expectAPIRefusal(t, d, req, refusal{http.StatusMethodNotAllowed, "method_not_allowed", "method_not_allowed", ""})
				if allow := resp.Header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
					t.Errorf("Allow %q", allow)
				}
			}
		})
	}
	t.Run("unknown route", func(t *testing.T) {
		req := d.APIRequest(nil, "x")
		req.URL = d.Proxy + "/nowhere"
		expectAPIRefusal(t, d, req, refusal{http.StatusNotFound, "not_found", "route_unknown", ""})
	})
}
