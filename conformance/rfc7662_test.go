package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// inquirer introspects with the certificate of the API's own resource server.
type inquirer struct {
	d    *harness.Dev
	id   string
	pair keystest.Pair
	url  string
}

func newInquirer(t *testing.T, d *harness.Dev) *inquirer {
	t.Helper()
	return &inquirer{d: d, id: d.RSClient.ClientID, pair: d.Pair(t, d.RSClient.ClientID), url: d.Introspection}
}

// request is a form with the caller's client_id and what else is given.
func (a *inquirer) request(token string, more ...string) harness.Request {
	values := url.Values{"client_id": {a.id}, "token": {token}}
	for i := 0; i+1 < len(more); i += 2 {
		values.Add(more[i], more[i+1])
	}
	request := a.d.TokenRequest(&a.pair, values.Encode())
	request.URL = a.url
	return request
}

func (a *inquirer) active(t *testing.T, request harness.Request) map[string]any {
	t.Helper()
	response := a.d.Send(t, request)
	var answer map[string]any
	if err := json.Unmarshal(response.Body, &answer); err != nil || response.Status != http.StatusOK {
		t.Fatalf("introspection: %s", response)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Pragma": "no-cache", "Content-Type": "application/json"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("header %s is %q", name, got)
		}
	}
	return answer
}

// TestQuestionsAboutTokens: the form of a request, the same at introspection and
// revocation, and who may send it.
func TestQuestionsAboutTokens(t *testing.T) {
	clause.Covers(t, "RFC7662-2-1-b", "RFC7662-2-3", "RFC7662-4-b", "RFC7009-2", "RFC7009-2-2-1")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	rs := newInquirer(t, d)
	for _, endpoint := range []string{d.Introspection, d.Revocation} {
		rs.url = endpoint
		good := rs.request(token)
		ask := func(change func(*harness.Request)) *harness.Response {
			request := good
			request.Header = good.Header.Clone()
			change(&request)
			return d.Send(t, request)
		}
		body := func(text string) func(*harness.Request) { return func(r *harness.Request) { r.Body = text } }
		for name, tt := range map[string]struct {
			change func(*harness.Request)
			want   refusal
		}{
			"no token":            {body("client_id=" + rs.id), badRequest("request_malformed")},
			"empty token":         {body("client_id=" + rs.id + "&token="), badRequest("request_malformed")},
			"two tokens":          {body(good.Body + "&token=" + token), badRequest("parameter_repeated")},
			"JSON":                {func(r *harness.Request) { r.Header["Content-Type"] = []string{"application/json"} }, badRequest("request_malformed")},
			"token in the URL":    {func(r *harness.Request) { r.URL += "?token=" + token; r.Body = "client_id=" + rs.id }, badRequest("request_malformed")},
			"no client_id":        {body("token=" + token), badRequest("request_malformed")},
			"no certificate":      {func(r *harness.Request) { r.Pair = nil }, badClient("certificate_missing")},
			"another's client_id": {body("client_id=mallory-app&token=" + token), unbelieved("subject_mismatch")},
			"another certificate": {func(r *harness.Request) { r.Pair = &acme }, unbelieved("subject_mismatch")},
		} {
			t.Run(name, func(t *testing.T) { expectRefusal(t, d, ask(tt.change), tt.want) })
		}
		for _, method := range []string{"GET", "PUT", "DELETE", "post"} {
			t.Run(method, func(t *testing.T) {
				response := ask(func(r *harness.Request) { r.Method = method; r.URL += "?" + r.Body; r.Body = "" })
				expectRefusal(t, d, response, refusal{http.StatusMethodNotAllowed, "invalid_request", "method_not_allowed", ""})
			})
		}
	}
	rs.url = d.Introspection
	if answer := rs.active(t, rs.request(token)); answer["active"] != true {
		t.Errorf("after all that: %v", answer)
	}
}

func TestIntrospectionSaysWhatTheTokenSays(t *testing.T) {
	clause.Covers(t, "RFC7662-2-2-a", "RFC7662-2-2-d", "RFC7662-2-1-c", "RFC8705-3-2-a")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	_, payload := issued(t, token)
	rs := newInquirer(t, d)
	for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
		answer := rs.active(t, rs.request(token, "token_type_hint", hint))
		if answer["active"] != true || !strings.EqualFold(describe(answer["token_type"]), describe("Bearer")) {
			t.Fatalf("%s: %v", hint, answer)
		}
		for _, name := range []string{"iss", "sub", "client_id", "aud", "exp", "iat", "jti", "scope", "cnf", "partner"} {
			if describe(answer[name]) != describe(payload[name]) {
				t.Errorf("%s is %v, in the token %v", name, answer[name], payload[name])
			}
		}
	}
}

// TestIntrospectionOfWhatIsNoToken: each is wrong in one thing, and the answer is
// the same for all.
func TestIntrospectionOfWhatIsNoToken(t *testing.T) {
	clause.Covers(t, "RFC7662-2-2-b", "RFC7662-2-2-c", "RFC7662-4-a")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	now := time.Now().Unix()
	signed := forged(d, good)
	rs := newInquirer(t, d)
	for name, token := range map[string]string{
		"garbage":             "garbage",
		"dots":                "a.b.c",
		"cut":                 signed[:len(signed)-4],
		"expired":             forged(d, good.with("exp", now-1).with("iat", now-300)),
		"ends now":            forged(d, good.with("exp", now).with("iat", now-300)),
		"not yet valid":       forged(d, good.with("nbf", now+60)),
		"another issuer":      forged(d, good.with("iss", "https://evil.test")),
		"another API":         forged(d, good.with("aud", harness.Ledger)),
		"no API":              forged(d, good.with("aud", "https://nobody.test")),
		"another key":         forge.ES256(forge.NewKey(), header(d), good.String()),
		"another type":        forge.ES256(d.SigningKey, strings.Replace(header(d), "at+jwt", "JWT", 1), good.String()),
		"unsigned":            forge.Encode(`{"alg":"none","typ":"at+jwt"}`, good.String()) + ".",
		"unknown client":      forged(d, good.with("client_id", "nobody").with("sub", "nobody")),
		"disabled client":     forged(d, good.with("client_id", "conf-disabled").with("sub", "conf-disabled")),
		"unbound":             forged(d, good.with("cnf", nil)),
		"an older generation": forged(d, good.with("gen", 0)),
	} {
		t.Run(name, func(t *testing.T) {
			if answer := rs.active(t, rs.request(token)); len(answer) != 1 || answer["active"] != false {
				t.Errorf("the answer is %v", answer)
			}
		})
	}
	if answer := rs.active(t, rs.request(signed)); answer["active"] != true {
		t.Errorf("the twin: %v", answer)
	}
}
