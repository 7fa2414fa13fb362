package conformance

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// limited is the answer to a client that asks too often.
var limited = refusal{http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited", ""}

func perHour(n int) map[string]any { return map[string]any{"requests": n, "per": "1h"} }

// TestRatesOfClients: one client asks the authorization server as fast as it can. It
// is told when to come back, nobody else notices, a stranger spends none of it, and a
// reload sets it free.
func TestRatesOfClients(t *testing.T) {
	site := harness.NewSite(t, newUpstream(t).URL)
	site.Follow(t)
	site.Serve["ops"] = map[string]any{"listen": "127.0.0.1:0"}
	site.Serve["rate_limits"] = map[string]any{"token": perHour(4), "introspection": perHour(2), "revocation": perHour(1), "feed": perHour(2)}
	d := site.StartWith(t)
	d.Ops = "http://" + d.Stderr.WaitFor(t, "listening ops", func(l harness.Line) bool {
		return l.Text("msg") == "listening" && l.Text("listener") == "ops"
	}).Text("address")
	one, two := site.Client(t, "one"), site.Client(t, "two")
	ask := func(pair *keystest.Pair, client string) *harness.Response {
		return d.PostToken(t, pair, harness.TokenForm(client))
	}

	for range 10 { // with another's certificate, and with none
		expectRefusal(t, d, ask(&two, "one"), unbelieved("subject_mismatch"))
		expectRefusal(t, d, ask(nil, "one"), badClient("certificate_missing"))
	}
	var tokens []string
	for range 3 {
		tokens = append(tokens, d.Token(t, &one, harness.TokenForm("one")).AccessToken)
	}
	// What is refused for another reason was asked for, too.
	expectRefusal(t, d, d.PostToken(t, &one, harness.TokenForm("one", "scope", "nothing:here")),
		refusal{http.StatusBadRequest, "invalid_scope", "scope_not_granted", ""})
	for range 3 {
		expectLimited(t, d, ask(&one, "one"))
	}
	d.Token(t, &two, harness.TokenForm("two"))

	post := func(endpoint string, pair *keystest.Pair, client, token string) *harness.Response {
		return form(t, d, d.Issuer+endpoint, pair, url.Values{"client_id": {client}, "token": {token}})
	}
	for i := range 2 {
		if resp := post("/oauth2/introspect", &one, "one", tokens[i]); resp.Status != http.StatusOK {
			t.Errorf("introspection: %s", resp)
		}
	}
	expectLimited(t, d, post("/oauth2/introspect", &one, "one", tokens[2]))
	if resp := post("/oauth2/revoke", &one, "one", tokens[0]); resp.Status != http.StatusOK {
		t.Errorf("revocation: %s", resp)
	}
	expectLimited(t, d, post("/oauth2/revoke", &one, "one", tokens[1]))

	feed := func(pair *keystest.Pair, client string) *harness.Response {
		return d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Issuer + "/oauth2/revocations?client_id=" + client, Pair: pair})
	}
	rs := site.Client(t, "rs")
	for range 3 { // with another's certificate
		expectRefusal(t, d, feed(&one, "rs"), unbelieved("subject_mismatch"))
	}
	for range 2 {
		if resp := feed(&rs, "rs"); resp.Status != http.StatusOK {
			t.Errorf("feed: %s", resp)
		}
	}
	expectLimited(t, d, feed(&rs, "rs"))

	m := scrape(t, d)
	for journey, want := range map[string]float64{"token_request": 3, "introspection_request": 1, "revocation_request": 1, "feed_request": 1} {
		if n := m.value("certbound_decisions_total", "journey", journey, "outcome", "refuse", "reason", "rate_limited"); n != want {
			t.Errorf("%s: %v counted as rate_limited, want %v", journey, n, want)
		}
	}

	site.Serve["rate_limits"] = map[string]any{"token": map[string]any{"requests": 0}}
	site.ReplaceConfigs(t)
	eventually(t, "the rate is taken away", func() bool { return ask(&one, "one").Status == http.StatusOK })
}

func expectLimited(t *testing.T, d *harness.Dev, resp *harness.Response) {
	t.Helper()
	line := expectRefusal(t, d, resp, limited)
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 3600 {
		t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
	}
	if !strings.Contains(line.Text("detail"), "rate") {
		t.Errorf("the log does not say which rate: %v", line)
	}
}
