package conformance

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

func TestOneCredentialOnly(t *testing.T) {
	clause.Covers(t, "RFC6749-2-3-a", "RFC6749-5-2-d")
	d, acme := victim(t)
	inForm := refusal{http.StatusBadRequest, "invalid_request", "client_authentication_failed", "multiple_credentials"}
	// RFC 6749 §5.2: whoever used the Authorization header is told so by 401 and
	// a challenge of its scheme.
	inHeader := refusal{http.StatusUnauthorized, "invalid_client", "client_authentication_failed", "multiple_credentials"}
	form := harness.TokenForm("acme-billing")
	for _, c := range []struct {
		name, authorization, parameter, value string
	}{
		{"Basic", "Basic YWNtZS1iaWxsaW5nOng=", "", ""},
		{"Bearer", "Bearer x", "", ""},
		{"unknown scheme", "Wat x", "", ""},
		{"client_secret", "", "client_secret", "x"},
		{"client_assertion", "", "client_assertion", "x"},
		{"client_assertion_type", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := url.Values{}
			if c.parameter != "" {
				more.Set(c.parameter, c.value)
			}
			req := d.TokenRequest(&acme, strings.TrimSuffix(form.Encode()+"&"+more.Encode(), "&"))
			if c.authorization != "" {
				req.Header["Authorization"] = []string{c.authorization}
			}
			resp := d.Send(t, req)
			if c.authorization != "" {
				expectRefusal(t, d, resp, inHeader)
				expectSchemeOf(t, resp, c.authorization)
			} else {
				expectRefusal(t, d, resp, inForm)
			}
			// Without a certificate the other credential does not help either.
			req.Pair = nil
			resp = d.Send(t, req)
			if resp.Status == http.StatusOK {
				t.Fatal("a token without a certificate")
			}
			expectRefusal(t, d, resp, badClient("certificate_missing"))
			expectSchemeOf(t, resp, c.authorization)
		})
	}
}

// expectSchemeOf checks that there is a challenge if and only if the request
// used Authorization, and then of the same scheme where it is one we know.
func expectSchemeOf(t *testing.T, resp *harness.Response, authorization string) {
	t.Helper()
	challenge := resp.Header.Values("WWW-Authenticate")
	if used := authorization != ""; used != (len(challenge) == 1) {
		t.Errorf("Authorization used: %t, WWW-Authenticate: %q", used, challenge)
		return
	}
	if strings.HasPrefix(authorization, "Basic ") && !strings.HasPrefix(challenge[0], "Basic ") {
		t.Errorf("the challenge is not of the scheme used: %q", challenge)
	}
}

func TestTokenEndpointIsPOST(t *testing.T) {
	clause.Covers(t, "RFC6749-3-2-a", "RFC9110-15-5-6", "RFC9110-9-1")
	d, acme := victim(t)
	query := "?" + harness.TokenForm("acme-billing").Encode()
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "FOO"} {
		t.Run(method, func(t *testing.T) {
			resp := d.Send(t, harness.Request{Method: method, URL: d.TokenEndpoint + query, Pair: &acme})
			expectRefusal(t, d, resp, refusal{http.StatusMethodNotAllowed, "invalid_request", "method_not_allowed", ""})
			if allow := resp.Header.Get("Allow"); allow != "POST" {
				t.Errorf("Allow %q", allow)
			}
		})
	}
	t.Run("HEAD", func(t *testing.T) {
		resp := d.Send(t, harness.Request{Method: "HEAD", URL: d.TokenEndpoint + query, Pair: &acme})
		if resp.Status != http.StatusMethodNotAllowed || len(resp.Body) != 0 || resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s, Allow %q", resp, resp.Header.Get("Allow"))
		}
	})
}

func TestUnknownEndpoints(t *testing.T) {
	clause.Covers(t, "RFC6749-5-2-a", "RFC9700-4-11-2")
	d, acme := victim(t)
	for _, path := range []string{"/", "/token", "/oauth2/token/", "//oauth2/token", "/oauth2//token", "/oauth2/./token", "/oauth2/%74oken", "/OAUTH2/token", "/oauth2/authorize"} {
		t.Run(path, func(t *testing.T) {
			req := d.TokenRequest(&acme, harness.TokenForm("acme-billing").Encode())
			req.URL = d.Issuer + path
			expectRefusal(t, d, d.Send(t, req), refusal{http.StatusNotFound, "not_found", "route_unknown", ""})
		})
	}
}

func TestTokenRequestForm(t *testing.T) {
	clause.Covers(t, "RFC6749-3-2-b", "RFC6749-3-2-c", "RFC6749-3-2-d", "RFC6749-4-4-2", "RFC6749-5-2-c", "RFC6749-5-2-a", "RFC6749-5-2-b", "RFC9700-2-4", "RFC6749-5-2-e", "RFC6749-A", "RFC6749-B")
	d, acme := victim(t)
	const good = "grant_type=client_credentials&client_id=acme-billing"
	malformed, repeated := badRequest("request_malformed"), badRequest("parameter_repeated")
	grant := refusal{http.StatusBadRequest, "unsupported_grant_type", "grant_unsupported", ""}
	large := refusal{http.StatusRequestEntityTooLarge, "invalid_request", "request_too_large", ""}
	for _, c := range []struct {
		name, media, body string
		want              refusal // the zero value is a token
	}{
		{"good", harness.FormType, good, refusal{}},
		{"good, with charset", harness.FormType + "; charset=UTF-8", good, refusal{}},
		{"good, media type in capitals", "Application/X-WWW-Form-Urlencoded", good, refusal{}},
		{"unknown parameter", harness.FormType, good + "&foo=bar", refusal{}},
		{"empty scope is no scope", harness.FormType, good + "&scope=", refusal{}},
		{"empty resource is no resource", harness.FormType, good + "&resource=", refusal{}},
		{"escapes and plus", harness.FormType, "grant_type=client%5Fcredentials&client_id=%61cme-billing", refusal{}},
		{"empty body", harness.FormType, "", malformed},
		{"no grant_type", harness.FormType, "client_id=acme-billing", malformed},
		{"empty grant_type", harness.FormType, "grant_type=&client_id=acme-billing", malformed},
		{"empty client_id", harness.FormType, "grant_type=client_credentials&client_id=", malformed},
		{"grant_type twice", harness.FormType, good + "&grant_type=client_credentials", repeated},
		{"client_id twice, equal", harness.FormType, good + "&client_id=acme-billing", repeated},
		{"client_id twice, other", harness.FormType, good + "&client_id=mallory-app", repeated},
		{"scope twice", harness.FormType, good + "&scope=accounts:read&scope=accounts:read", repeated},
		{"scope twice, one empty", harness.FormType, good + "&scope=accounts:read&scope=", repeated},
		{"unknown parameter twice", harness.FormType, good + "&foo=1&foo=2", repeated},
		{"repeated by escapes", harness.FormType, good + "&client%5Fid=acme-billing", repeated},
		{"password grant", harness.FormType, "grant_type=password&client_id=acme-billing&username=a&password=b", grant},
		{"refresh grant", harness.FormType, "grant_type=refresh_token&client_id=acme-billing&refresh_token=x", grant},
		{"code grant", harness.FormType, "grant_type=authorization_code&client_id=acme-billing&code=x", grant},
		{"made-up grant", harness.FormType, "grant_type=wat&client_id=acme-billing", grant},
		{"grant in other case", harness.FormType, "grant_type=Client_Credentials&client_id=acme-billing", grant},
		{"JSON", "application/json", `{"grant_type":"client_credentials","client_id":"acme-billing"}`, malformed},
		{"form as JSON", "application/json", good, malformed},
		{"text", "text/plain", good, malformed},
		{"multipart", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--b--\r\n", malformed},
		{"no content type", "", good, malformed},
		{"other charset", harness.FormType + "; charset=utf-16", good, malformed},
		{"broken escape", harness.FormType, good + "&x=%zz", malformed},
		{"not UTF-8", harness.FormType, good + "&x=%ff", malformed},
		{"semicolon", harness.FormType, "grant_type=client_credentials;client_id=acme-billing", malformed},
		{"client_id with NUL", harness.FormType, "grant_type=client_credentials&client_id=acme%00", malformed},
		{"client_id beyond ASCII", harness.FormType, "grant_type=client_credentials&client_id=%C3%A5", malformed},
		{"oversize", harness.FormType, good + "&x=" + strings.Repeat("x", 70<<10), large},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := d.TokenRequest(&acme, c.body)
			req.Header["Content-Type"] = []string{c.media}
			if c.media == "" {
				delete(req.Header, "Content-Type")
			}
			resp := d.Send(t, req)
			if c.want.status == 0 {
				if resp.Status != http.StatusOK {
					t.Errorf("want a token, got %s; log %v", resp, d.Decision(t, resp))
				}
				return
			}
			expectRefusal(t, d, resp, c.want)
		})
	}
	t.Run("two content types", func(t *testing.T) {
		req := d.TokenRequest(&acme, good)
		req.Header["Content-Type"] = []string{harness.FormType, "application/json"}
		expectRefusal(t, d, d.Send(t, req), malformed)
	})
}

func TestTokenEndpointSpeaksTLSOnly(t *testing.T) {
	clause.Covers(t, "RFC6749-3-2-e", "RFC6750-5-3-b", "RFC7662-2", "RFC7009-2")
	d := harness.Shared(t)
	for _, endpoint := range []string{d.TokenEndpoint, d.Introspection, d.Revocation, d.Proxy + "/accounts"} {
		t.Run(endpoint, func(t *testing.T) { expectNothingInPlain(t, endpoint) })
	}
}

// expectNothingInPlain posts a token request without TLS.
func expectNothingInPlain(t *testing.T, endpoint string) {
	t.Helper()
	address, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", address.Host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	body := harness.TokenForm("acme-billing").Encode()
	if _, err := conn.Write([]byte("POST " + address.Path + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + harness.FormType + "\r\nConnection: close\r\n\r\n" + body)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, _ := conn.Read(answer)
	if text := string(answer[:n]); text != "" && !strings.HasPrefix(text, "HTTP/1.0 400 ") || strings.Contains(text, "reason") {
		t.Errorf("it answers plain HTTP: %s", text)
	}
}

func TestScope(t *testing.T) {
	clause.Covers(t, "RFC6749-3-3-a", "RFC6749-3-3-b", "RFC6749-3-3-c", "RFC6749-10-3", "RFC6749-A", "RFC9700-2-3-a")
	d := harness.Shared(t)
	refused := refusal{http.StatusBadRequest, "invalid_scope", "scope_not_granted", ""}
	for _, c := range []struct{ name, client, scope, got string }{ // got "" is a refusal
		{"none: all of them", "acme-edge", "", "accounts:read accounts:write"},
		{"none: of the API's only its own", "acme-billing", "", "accounts:read"},
		{"one", "acme-edge", "accounts:read", "accounts:read"},
		{"both, in another order", "acme-edge", "accounts:write accounts:read", "accounts:read accounts:write"},
		{"one twice", "acme-edge", "accounts:read accounts:read", "accounts:read"},
		{"not granted", "acme-billing", "accounts:write", ""},
		{"granted and not granted", "acme-billing", "accounts:read accounts:write", ""},
		{"unknown", "acme-billing", "wat", ""},
		{"other case", "acme-billing", "Accounts:read", ""},
		{"quote", "acme-billing", `accounts:read "`, ""},
		{"backslash", "acme-billing", `accounts:read \`, ""},
		{"tab", "acme-billing", "accounts:read\taccounts:read", ""},
		{"line break", "acme-billing", "accounts:read\n", ""},
		{"no-break space", "acme-billing", "accounts:read\u00a0x", ""},
		{"beyond ASCII", "acme-billing", "accounts:réad", ""},
		{"two spaces", "acme-edge", "accounts:read  accounts:write", ""},
		{"space at the end", "acme-billing", "accounts:read ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			pair := d.Pair(t, c.client)
			form := harness.TokenForm(c.client)
			if c.scope != "" {
				form.Set("scope", c.scope)
			}
			if c.got == "" {
				expectRefusal(t, d, d.PostToken(t, &pair, form), refused)
				return
			}
			token := d.Token(t, &pair, form)
			_, payload := issued(t, token.AccessToken)
			for what, text := range map[string]any{"scope of the response": token.Scope, "scope of the token": payload["scope"]} {
				got := strings.Split(text.(string), " ")
				slices.Sort(got)
				if strings.Join(got, " ") != c.got {
					t.Errorf("%s is %q, want %q", what, text, c.got)
				}
			}
		})
	}
}

func TestTokenResponse(t *testing.T) {
	clause.Covers(t, "RFC6749-5-1-a", "RFC6749-5-1-b", "RFC6749-5-1-c", "RFC6749-4-4-3")
	d, acme := victim(t)
	resp := d.PostToken(t, &acme, harness.TokenForm("acme-billing"))
	if resp.Status != http.StatusOK {
		t.Fatal(resp)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Pragma": "no-cache",
	} {
		if got := resp.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if media := resp.Header.Get("Content-Type"); media != "application/json" && media != "application/json;charset=UTF-8" {
		t.Errorf("Content-Type %q", media)
	}
	var members map[string]any
	if err := json.Unmarshal(resp.Body, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		if !slices.Contains([]string{"access_token", "token_type", "expires_in", "scope"}, name) {
			t.Errorf("the response has %s", name)
		}
	}
	token, _ := members["access_token"].(string)
	_, payload := issued(t, token)
	lifetime := payload["exp"].(float64) - payload["iat"].(float64)
	if members["expires_in"] != lifetime || lifetime != 300 || !strings.EqualFold(members["token_type"].(string), "Bearer") {
		t.Errorf("expires_in %v, exp - iat %v, token_type %v", members["expires_in"], lifetime, members["token_type"])
	}
	expectNoToken(t, d, &harness.Response{}, token)
}

// TestTokenEndsWithItsCertificate uses certificates that end before a token's
// usual lifetime does.
func TestTokenEndsWithItsCertificate(t *testing.T) {
	clause.Covers(t, "RFC6749-5-1-c", "RFC8705-3-a")
	d := harness.Shared(t)
	partners := d.Bundle(t, "partners")
	san := keystest.URI(d.Client(t, "acme-billing").Match["san_uri"])
	for _, remaining := range []time.Duration{10 * time.Second, time.Minute, 299 * time.Second} {
		t.Run(remaining.String(), func(t *testing.T) {
			end := time.Now().Add(remaining).Truncate(time.Second)
			pair := partners.Client(t, san, keystest.NotAfter(end))
			token := d.Token(t, &pair, harness.TokenForm("acme-billing"))
			_, payload := issued(t, token.AccessToken)
			exp, iat := int64(payload["exp"].(float64)), int64(payload["iat"].(float64))
			if exp != end.Unix() || token.ExpiresIn != exp-iat {
				t.Errorf("exp %d, certificate's end %d, expires_in %d, exp - iat %d", exp, end.Unix(), token.ExpiresIn, exp-iat)
			}
		})
	}
}

func TestTokensCannotBeGuessed(t *testing.T) {
	clause.Covers(t, "RFC6749-10-10", "RFC7519-4-1-7")
	d, acme := victim(t)
	connection := d.HTTPClient(t, &acme, nil)
	seen := map[string]bool{}
	for range 100 {
		req := d.TokenRequest(nil, harness.TokenForm("acme-billing").Encode())
		req.Client = connection
		var token harness.Token
		if err := json.Unmarshal(d.Send(t, req).Body, &token); err != nil {
			t.Fatal(err)
		}
		_, payload := issued(t, token.AccessToken)
		jti, _ := payload["jti"].(string)
		if seen[jti] || len(jti) < 22 { // 128 bits in base64url
			t.Fatalf("jti %q", jti)
		}
		seen[jti] = true
	}
}

// TestNobodyChoosesTheirClaims sends parameters named like claims.
func TestNobodyChoosesTheirClaims(t *testing.T) {
	clause.Covers(t, "RFC9068-5", "RFC9700-4-15-1")
	d, acme := victim(t)
	form := harness.TokenForm("acme-billing", "sub", "root", "iss", "x", "cnf", "x", "aud", "x", "audience", "x", "partner", "x", "exp", "9999999999", "gen", "99")
	_, payload := issued(t, d.Token(t, &acme, form).AccessToken)
	if payload["sub"] != "acme-billing" || payload["client_id"] != "acme-billing" || payload["partner"] != "acme" || payload["aud"] != d.Audience {
		t.Errorf("payload %v", payload)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	clause.Covers(t, "RFC9325-3-1-1", "RFC8705-7-3", "RFC8705-8", "RFC9700-2-6-b")
	d, acme := victim(t)
	for name, req := range map[string]harness.Request{
		"authorization server": d.TokenRequest(&acme, harness.TokenForm("acme-billing").Encode()),
		"proxy":                d.APIRequest(&acme, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			req.TLS = func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS12 }
			if resp, err := d.Try(t, req); err == nil {
				t.Fatalf("TLS 1.2 came through: %s", resp)
			}
			line := d.Stderr.WaitFor(t, "tls_handshake_failed with TLS 1.2 and 1.3 in the detail", func(l harness.Line) bool {
				return l.Text("msg") == "tls_handshake_failed" && strings.Contains(l.Text("detail"), "1.2") && strings.Contains(l.Text("detail"), "1.3")
			})
			if line.Text("remote_addr") == "" {
				t.Errorf("no remote_addr: %v", line)
			}
		})
	}
	resp := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Issuer + metadataPath})
	if resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("negotiated %s", tls.VersionName(resp.TLS.Version))
	}
}
