package proxy_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestIdentityHeadersCannotBeSmuggled sends forged identities in every spelling
// (rows J05, J10, J12, J17; seed C3): the upstream sees ours, once, or nothing.
func TestIdentityHeadersCannotBeSmuggled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := map[string][]string{
		"plain":         {"X-Certbound-Client: evil", "X-Certbound-Partner: evil", "X-Certbound-Scope: evil", "Client-Cert: :evil:"},
		"duplicates":    {"X-Certbound-Client: evil", "X-Certbound-Client: evil", "Client-Cert: :evil:", "Client-Cert: :evil:", "Client-Cert-Chain: :evil:"},
		"case":          {"x-cErtbound-cliEnt: evil", "CLIENT-CERT: :evil:", "x-forwarded-FOR: evil"},
		"underscores":   {"X_Certbound_Client: evil", "client_cert: evil", "X_Forwarded_For: evil", "SSL_CLIENT_S_DN: evil", "X-SSL_Client_Cert: evil"},
		"dots":          {"X.Certbound.Client: evil", "Client.Cert: evil", "X-Forwarded.For: evil"},
		"mixed":         {"X_Certbound-Client: evil", "X-Certbound.Client: evil", "X!Certbound|Client: evil"},
		"connection":    {"Connection: X-Certbound-Client, client-cert, X-Certbound-Partner, X-Certbound-Scope, X-Request-Id, X-Forwarded-For, Host", "X-Certbound-Client: evil"},
		"other proxies": {"X-Forwarded-Client-Cert: Hash=evil", "X-SSL-Client-Cert: evil", "X-Client-CN: evil", "X-Client-Identity: evil", "X-Amzn-Mtls-Clientcert: evil", "X-Arr-ClientCert: evil", "Remote-User: evil"},
		"addresses":     {"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: evil", "X-Forwarded: evil", "Forwarded: for=evil", "X-Real-IP: evil", "True-Client-IP: evil", "Client-IP: evil", "client_ip: evil"},
		"rereading":     {"X-HTTP-Method-Override: evil", "X-HTTP-Method: evil", "X-Method-Override: evil", "X-Original-URL: /evil", "X-Rewrite-URL: /evil", "X_HTTP_Method_Override: evil", "X-HTTP-Host-Override: evil", "X-Middleware-Subrequest: evil"},
		"single sign-on": {"Remote_User: evil", "Remote-Groups: evil", "X-Remote-Extra-Scopes: evil", "X-Auth-Request-Email: evil", "X_Auth_Request_User: evil", "X-Authenticated-Userid: evil",
			"X-WebAuth-User: evil", "X-Authentik-Username: evil", "X-Vouch-User: evil", "OIDC_CLAIM_sub: evil", "Shib-Session-Id: evil", "SM_USER: evil", "OAM_REMOTE_USER: evil", "iv-user: evil", "X-Userinfo: evil", "X-ID-Token: evil"},
		"gateways": {"X-Amzn-Oidc-Identity: evil", "X-Amzn-Oidc-Data: evil", "X-Apigateway-Api-Userinfo: evil", "X-Endpoint-Api-UserInfo: evil", "X-Goog-IAP-JWT-Assertion: evil", "X-AppEngine-User-Email: evil",
			"X-MS-Client-Principal-Id: evil", "X-MS-Token-AAD-Id-Token: evil", "Cf-Access-Jwt-Assertion: evil", "Cf-Access-Authenticated-User-Email: evil", "Tailscale-User-Login: evil", "Teleport-Jwt-Assertion: evil",
			"X-Pomerium-Claim-Email: evil", "X-Pomerium-Jwt-Assertion: evil", "X-JWT-Assertion: evil", "X-Consumer-Custom-Id: evil", "X-Credential-Identifier: evil", "X-Anonymous-Consumer: evil", "X-Proxy-User: evil", "X-Spiffe-Id: evil"},
		"more addresses": {"CF-Connecting-IPv6: evil", "Fly-Client-IP: evil", "DO-Connecting-IP: evil", "WL-Proxy-Client-IP: evil", "WL-Proxy-Client-Cert: evil", "Proxy-Client-IP: evil", "X-Azure-ClientIP: evil",
			"X-Original-Forwarded-For: evil", "X-Real-Port: evil", "X-NF-Client-Connection-IP: evil", "Cf-Client-Cert-Der-Base64: evil", "X-ARR-SSL: evil", "Front-End-Https: evil", "X-Scheme: evil"},
		"servers behind gateways": {"$WSCC: evil", "$WSRU: evil", "$wsra: evil", "l5d-client-id: evil", "L5d_Dst_Override: evil", "Grpcgateway-Authorization: evil",
			"Grpc-Metadata-X-Certbound-Client: evil", "grpc_metadata_client.cert: evil", "Grpc-Metadata-Authorization: evil", "Grpc-Metadata-Grpc-Metadata-X-Forwarded-For: evil", "Grpc-Metadata-X-Endpoint-API-UserInfo: evil"},
		"framing":        {"Content_Length: evil", "Transfer.Encoding: evil", "Transfer_Encoding: evil"},
		"impersonation":  {"Impersonate-User: evil", "Impersonate_Group: evil", "Proxy: http://evil", "X-Auth-User: evil", "X-Certbound: evil", "ClientCert: evil"},
		"request id":     {"X-Request-Id: evil", "X_Request_Id: evil"},
		"empty values":   {"X-Certbound-Client:", "Client-Cert:", "X-Forwarded-For:"},
		"hop by hop":     {"Proxy-Authorization: evil", "Proxy_Authorization: evil", "Keep-Alive: evil", "Proxy-Connection: evil", "TE: evil", "Connection: X-Hop", "X-Hop: evil"},
		"hop alone":      {"Proxy-Authorization: evil", "Proxy-Authenticate: evil", "Keep-Alive: evil", "Keep_Alive: evil", "Proxy-Connection: evil", "Trailer: evil"},
		"upgrade":        {"Connection: Upgrade", "Upgrade: evil"},
		"upgrade binary": {"Connection: Upgrade", "Upgrade: \xe9vil"},
	}
	const want = "acme-billing|acme|accounts:read accounts:write"
	cert := ":" + base64.StdEncoding.EncodeToString(w.acme.Cert.Raw) + ":"
	for name, lines := range tests {
		a := w.call(t, "GET", "/accounts", lines...)
		if a.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
			continue
		}
		raw, _ := w.received()
		if strings.Contains(raw, "evil") || strings.Contains(raw, "6.6.6.6") {
			t.Errorf("%s: the upstream got %q", name, raw)
		}
		all := func(name string) string { return strings.Join(w.values(name), "&") }
		if got := all("X-Certbound-Client") + "|" + all("X-Certbound-Partner") + "|" + all("X-Certbound-Scope"); got != want {
			t.Errorf("%s: identity %q, want %q", name, got, want)
		}
		for header, value := range map[string]string{
			"Client-Cert": cert, "Client-Cert-Chain": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https",
			"X-Request-Id": a.Header.Get("X-Request-Id"), "Authorization": "", "Host": w.url.Host, "Connection": "", "Upgrade": "", "Te": "",
		} {
			if got := all(header); got != value {
				t.Errorf("%s: %s = %q, want %q", name, header, got, value)
			}
		}
		if got := a.Header.Get("X-Request-Id"); len(got) != 32 {
			t.Errorf("%s: X-Request-Id %q", name, got)
		}
	}
}

// TestTrailersCannotSmuggle: fields behind the body would arrive after our own.
// What may go on has to be announced, and is nobody's identity.
func TestTrailersCannotSmuggle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, announce := range []string{"Trailer: Client-Cert, X-Certbound-Client, X_Certbound_Scope, Authorization, Cookie, Host, X-Note\n", ""} {
		a := w.send(t, w.acme, "POST /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n"+announce+
			"Transfer-Encoding: chunked\n\n2\nhi\n0\nClient-Cert: evil\nX-Certbound-Client: evil\nX_Certbound_Scope: evil\nAuthorization: evil\nCookie: evil\nHost: evil\nX-Unannounced: evil\nX-Note: fine\n\n")
		if a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		raw, _ := w.received()
		if strings.Contains(raw, "evil") || len(w.values("X-Certbound-Client")) != 1 {
			t.Errorf("the upstream got %q", raw)
		}
		if got, want := strings.Join(w.values("Trailer"), "&"), map[bool]string{true: "X-Note"}[announce != ""]; got != want {
			t.Errorf("announced %q, want %q", got, want)
		}
		if strings.Contains(raw, "\r\nX-Note: fine\r\n\r\n") != (announce != "") {
			t.Errorf("trailers in %q", raw)
		}
	}
}

// TestHarmlessHeadersPass: hygiene must not cost an API its own headers.
func TestHarmlessHeadersPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines := []string{"Accept-Encoding: br", "X-Api-Key: k", "Cookie: a=b", "Cookie: c=d", "User-Agent: curl", "Idempotency-Key: 7", "Accept: */*",
		"X-User-Id: 7", "X-Access-Token: t", "X-Auth-Token: t", "X-Tenant-Id: t", "X-Original-Filename: f", "X-Goog-Api-Key: k", "X-Amzn-Trace-Id: t", "X-Ms-Version: 1", "Traceparent: 00-1", "X-Correlation-Id: c", "X-Hub-Signature: s", "Origin: https://o", "Remote: r", "If-Match: e", "Grpc-Metadata-Note: n", "Grpc-Timeout: 1S"}
	if a := w.call(t, "GET", "/accounts", lines...); a.StatusCode != 200 {
		t.Fatalf("%d", a.StatusCode)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if got := strings.Join(w.values(name), "&"); !strings.Contains(got, value) {
			t.Errorf("%s arrived as %q", line, got)
		}
	}
	if a := w.call(t, "GET", "/accounts"); a.StatusCode != 200 || w.values("Accept-Encoding") != nil || w.values("User-Agent") != nil {
		t.Errorf("the proxy added Accept-Encoding %q or User-Agent %q", w.values("Accept-Encoding"), w.values("User-Agent"))
	}
}

func TestForwardToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(t)
	a := w.send(t, w.acme, "GET /raw HTTP/1.1\nHost: localhost\naUTHORIZATION: bEARER "+token+"\n\n")
	if diff := cmp.Diff([]string{"bEARER " + token}, w.values("Authorization")); a.StatusCode != 200 || diff != "" {
		t.Errorf("%d %s", a.StatusCode, diff)
	}
}

// TestAnswerHygiene: an upstream cannot speak in our name, and the rest of its
// answer is its own.
func TestAnswerHygiene(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, head := range []string{"", "HTTP/1.1 103 Early Hints\nClient-Cert: :evil:\nLink: </x>\n\n"} {
		w.setReply(head + "HTTP/1.1 401 Unauthorized\nX-Request-Id: evil\nclient-cert: :evil:\nClient_Cert_Chain: evil\nX-Certbound-Client: evil\nX_Certbound_X: evil\n" +
			"Connection: X-Hop\nX-Hop: evil\nContent-Encoding: gzip\nSet-Cookie: a=b\nWWW-Authenticate: Basic realm=\"theirs\"\nTransfer-Encoding: chunked\n" +
			"Trailer: X-Sum, Client-Cert\n\n4\n\x1f\x8bzz\n0\nX-Sum: 1\nClient-Cert: :evil:\nX-Certbound-Late: evil\nX-Late: 2\n\n")
		a := w.call(t, "GET", "/accounts")
		for _, h := range a.informational {
			if len(h) != 1 || h.Get("Link") != "</x>" {
				t.Errorf("early hints %v", h)
			}
		}
		if (head != "") != (len(a.informational) == 1) {
			t.Errorf("%d informational answers", len(a.informational))
		}
		if a.StatusCode != 401 || string(a.body) != "\x1f\x8bzz" || a.Header.Get("Set-Cookie") != "a=b" ||
			a.Header.Get("Content-Encoding") != "gzip" || a.Header.Get("WWW-Authenticate") != `Basic realm="theirs"` {
			t.Errorf("the answer changed: %d %v %q", a.StatusCode, a.Header, a.body)
		}
		for _, h := range []map[string][]string{a.Header, a.Trailer} {
			for name, values := range h {
				if strings.Contains(strings.Join(values, ""), "evil") || strings.HasPrefix(name, "X-Certbound") || name == "Client-Cert" {
					t.Errorf("%s: %q passed", name, values)
				}
			}
		}
		if a.Trailer.Get("X-Sum") != "1" {
			t.Errorf("trailers %v", a.Trailer)
		}
		if line := w.log.one(t); line["upstream_status"] != 401.0 || line["outcome"] != "allow" || line["request_id"] != a.Header.Get("X-Request-Id") {
			t.Errorf("logged %v", line)
		}
	}
}

// TestForwardedHostIsConfirmed: a Host that the TLS handshake says nothing of is
// not passed on as a fact.
func TestForwardedHostIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct{ sni, host, want string }{
		{"localhost", "localhost", "localhost"},
		{"localhost", "LOCALHOST:8444", "LOCALHOST:8444"},
		{"localhost", "evil.test", ""},
		{"localhost", "localhost.evil.test", ""},
		{"localhost", "localhost:evil", ""},
		{"localhost", "127.0.0.1", ""},
		{"127.0.0.1", "127.0.0.1", ""}, // no SNI is sent for an address
		{"127.0.0.1", "evil.test", ""},
	} {
		a := w.sendTo(t, tt.sni, w.acme, "GET /accounts HTTP/1.1\nHost: "+tt.host+"\nAuthorization: Bearer {token}\nX-Forwarded-Host: evil\n\n")
		if got := strings.Join(w.values("X-Forwarded-Host"), "&"); a.StatusCode != 200 || got != tt.want {
			t.Errorf("SNI %q, Host %q: %d, X-Forwarded-Host %q, want %q", tt.sni, tt.host, a.StatusCode, got, tt.want)
		}
	}
}
