package foreign

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// request is what a client is asked to do: obtain a token, or with a token call
// the API. Scripts read it from standard input.
type request struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	API           string `json:"api"`
	ClientID      string `json:"client_id"`
	CA            string `json:"ca"`
	Cert          string `json:"cert"` // "" for none
	Key           string `json:"key"`
	Token         string `json:"token"` // "" for a token request
}

// outcome is what the client saw of the answer, and what it says itself of a
// refusal.
type outcome struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Said   string `json:"said"`
}

// client is a foreign client. prepare ends the test when the client is not here.
type client struct {
	name    string
	pinned  bool // its version is chosen here, not by the machine
	prepare func(t *testing.T) (version string, do func(*testing.T, request) outcome)
}

var clients = []client{
	{"curl", false, curl},
	{"openssl s_client", false, opensslClient},
	{"openid-client (Node.js)", true, openidClient},
	{"oauth2 clientcredentials (Go)", true, goOAuth2},
	{"requests (Python)", false, pythonClient("requests", "with_requests.py")},
	{"httpx (Python)", false, pythonClient("httpx", "with_httpx.py")},
	{"java.net.http.HttpClient (Java)", false, javaClient},
}

// meetClients has each client play the whole story against one certbound dev.
func meetClients(t *testing.T, page *table) {
	clause.Covers(t, "RFC8705-3-b", "RFC8705-3-c", "RFC8705-2-b")
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			version, do := c.prepare(t)
			cells := playClient(t, harness.Shared(t), do)
			page.saw(c.name, version, c.pinned, cells...)
		})
	}
}

// playClient obtains a token, uses it, and then does what must be refused. It
// returns the cells of the page.
func playClient(t *testing.T, d *harness.Dev, do func(*testing.T, request) outcome) []string {
	as := func(id, token string) request {
		r := request{
			Issuer: d.Issuer, TokenEndpoint: d.TokenEndpoint, API: d.Proxy + "/accounts",
			ClientID: "acme-billing", CA: d.Path(d.CA), Token: token,
		}
		if id != "" {
			c := d.Client(t, id)
			r.Cert, r.Key = d.Path(c.Cert), d.Path(c.Key)
		}
		return r
	}
	granted := do(t, as("acme-billing", ""))
	token := tokenIn(t, granted)
	before := d.Hits(t)
	used := do(t, as("acme-billing", token))
	if served := d.Hits(t) - before; served != 1 {
		t.Errorf("the API was reached %d times by one good call", served)
	}
	cells := []string{fmt.Sprintf("%d, %d", granted.Status, used.Status)}
	before = d.Hits(t)
	refused := []outcome{
		do(t, as("mallory-app", "")), do(t, as("", "")),
		do(t, as("mallory-app", token)), do(t, as("", token)),
	}
	if served := d.Hits(t) - before; served != 0 {
		t.Errorf("the API was reached %d times by those who must be refused", served)
	}
	wants := []harness.Refusal{
		{Error: "invalid_client", Reason: "client_authentication_failed"}, {Error: "invalid_client", Reason: "certificate_missing"},
		{Error: "invalid_token", Reason: "thumbprint_mismatch"}, {Error: "invalid_token", Reason: "certificate_missing"},
	}
	for i, got := range refused {
		expectRefused(t, got, wants[i])
		cells = append(cells, fmt.Sprintf("%d %s", got.Status, wants[i].Reason))
	}
	return append(cells, refused[0].Said)
}

// tokenIn reads a token response as the client handed it on.
func tokenIn(t *testing.T, o outcome) string {
	t.Helper()
	var token harness.Token
	if err := json.Unmarshal([]byte(o.Body), &token); err != nil || o.Status != http.StatusOK ||
		!strings.EqualFold(token.TokenType, "Bearer") || token.AccessToken == "" {
		t.Fatalf("no token: %+v (%v)", o, err)
	}
	return token.AccessToken
}

func expectRefused(t *testing.T, o outcome, want harness.Refusal) {
	t.Helper()
	var got harness.Refusal
	if err := json.Unmarshal([]byte(o.Body), &got); err != nil {
		t.Errorf("body of a refusal: %v in %+v", err, o)
	}
	if o.Status != http.StatusUnauthorized || got.Error != want.Error || got.Reason != want.Reason {
		t.Errorf("got %+v, want 401 %s %s", o, want.Error, want.Reason)
	}
}
