package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

func TestTokenMissing(t *testing.T) {
	clause.Covers(t, "RFC6750-3-a", "RFC6750-3-b", "RFC6750-3-1-b", "RFC9110-15-5-2-a")
	d, acme := victim(t)
	for name, authorization := range map[string]string{"no header": "", "Basic": "Basic YTpi", "DPoP": "DPoP abc", "scheme like it": "Bearerx abc"} {
		t.Run(name, func(t *testing.T) {
			req := d.APIRequest(&acme, "")
			delete(req.Header, "Authorization")
			if authorization != "" {
				req.Header["Authorization"] = []string{authorization}
			}
			expectAPIRefusal(t, d, req, refusal{http.StatusUnauthorized, "invalid_request", "token_missing", ""})
		})
	}
}

func TestSchemeNameInAnyCase(t *testing.T) {
	clause.Covers(t, "RFC6750-2-1-a")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	for _, scheme := range []string{"Bearer", "bearer", "BEARER", "bEaReR"} {
		req := d.APIRequest(&acme, "")
		req.Header["Authorization"] = []string{scheme + " " + token}
		expectServed(t, d, d.Send(t, req))
	}
}

func TestCredentialsAreOneB64Token(t *testing.T) {
	clause.Covers(t, "RFC6750-2-1-b")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	for _, credentials := range []string{
		"Bearer", "Bearer " + token + " x", "Bearer " + token + ",Bearer " + token, "Bearer " + token + ", " + token, "Bearer \"" + token + "\"",
		"Bearer " + token + ";x", "Bearer\t" + token, "Bearer <" + token + ">", "Bearer å", "Bearer =", "Bearer %20" + token,
		"Bearer Bearer " + token, "Bearer token=" + token, token, "Basic " + token,
	} {
		t.Run(strings.ReplaceAll(credentials, token, "TOKEN"), func(t *testing.T) {
			req := d.APIRequest(&acme, "")
			req.Header["Authorization"] = []string{credentials}
			before := d.Hits(t)
			resp := d.Send(t, req)
			if resp.Status != http.StatusUnauthorized && resp.Status != http.StatusBadRequest || d.Hits(t) != before {
				t.Errorf("it came through: %s", resp)
			}
			expectLogged(t, d, resp, refusal{resp.Status, "", resp.Refusal(t).Reason, ""})
		})
	}
}

func TestOneWayToSendTheToken(t *testing.T) {
	clause.Covers(t, "RFC6750-2", "RFC6750-2-2", "RFC6750-2-3", "RFC6750-3-1-a", "RFC6750-5-3-a", "RFC9700-4-3-2")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	malformed := badRequest("request_malformed")
	t.Run("two Authorization headers", func(t *testing.T) {
		req := d.APIRequest(&acme, token)
		req.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token}
		expectAPIRefusal(t, d, req, malformed)
	})
	t.Run("two, the second of another scheme", func(t *testing.T) {
		req := d.APIRequest(&acme, token)
		req.Header["Authorization"] = []string{"Bearer " + token, "Basic YTpi"}
		expectAPIRefusal(t, d, req, malformed)
	})
	for _, query := range []string{"?access_token=" + token, "?a=b&access_token=" + token, "?access_token=", "?access%5Ftoken=" + token} {
		t.Run("query "+strings.ReplaceAll(query, token, "TOKEN"), func(t *testing.T) {
			req := d.APIRequest(&acme, token)
			req.URL += query
			expectAPIRefusal(t, d, req, malformed)
			delete(req.Header, "Authorization")
			expectAPIRefusal(t, d, req, malformed)
		})
	}
	for _, query := range []string{"?a;b", "?%zz"} {
		t.Run("unreadable query "+query, func(t *testing.T) {
			req := d.APIRequest(&acme, token)
			req.URL += query
			expectAPIRefusal(t, d, req, malformed)
		})
	}
	t.Run("form body alone", func(t *testing.T) {
		req := harness.Request{Method: http.MethodPost, URL: d.Proxy + "/accounts", Pair: &acme,
			Header: http.Header{"Content-Type": {harness.FormType}}, Body: "access_token=" + token}
		expectAPIRefusal(t, d, req, refusal{http.StatusUnauthorized, "invalid_request", "token_missing", ""})
	})
	for _, name := range []string{"Cookie", "X-Access-Token", "Proxy-Authorization", "X-Authorization"} {
		t.Run(name, func(t *testing.T) {
			req := d.APIRequest(&acme, "")
			req.Header = http.Header{name: {"access_token=" + token}}
			expectAPIRefusal(t, d, req, refusal{http.StatusUnauthorized, "invalid_request", "token_missing", ""})
		})
	}
	t.Run("the twin with another query", func(t *testing.T) {
		req := d.APIRequest(&acme, token)
		req.URL += "?page=2&accesstoken=x"
		expectServed(t, d, d.Send(t, req))
	})
}

func TestTokenIsNotDisclosed(t *testing.T) {
	clause.Covers(t, "RFC6750-5-2", "RFC9700-4-9-3")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	good := d.CallAPI(t, &acme, token)
	expectServed(t, d, good)
	// The API behind echoes what it received: the token must not be among it.
	expectNoToken(t, d, good, token)
	query := d.APIRequest(&acme, token)
	query.URL += "?access_token=" + token
	expectNoToken(t, d, d.Send(t, query), token)
	wrong := d.APIRequest(&acme, token)
	wrong.URL = d.Proxy + "/nowhere"
	expectNoToken(t, d, d.Send(t, wrong), token)
}
