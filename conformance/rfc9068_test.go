package conformance

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

func TestIssuedToken(t *testing.T) {
	clause.Covers(t, "RFC9068-2-1-a", "RFC9068-2-1-b", "RFC9068-2-2", "RFC9068-2-2-3", "RFC9068-3-a", "RFC9068-5", "RFC9068-6", "RFC8725-3-9", "RFC8725-3-11", "RFC9700-2-3-a")
	d, acme := victim(t)
	before := time.Now().Unix()
	head, payload := issued(t, d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken)
	want := map[string]any{"alg": "ES256", "kid": forge.KeyID(d.SigningKey), "typ": "at+jwt"}
	if !maps.Equal(head, want) {
		t.Errorf("header %v, want %v", head, want)
	}
	for name, value := range map[string]any{
		"iss": d.Issuer, "aud": d.Audience, "sub": "acme-billing", "client_id": "acme-billing",
		"scope": "accounts:read", "partner": "acme", "gen": 1.0,
	} {
		if payload[name] != value {
			t.Errorf("%s is %v, want %v", name, payload[name], value)
		}
	}
	for name := range payload {
		if !slices.Contains([]string{"iss", "aud", "sub", "client_id", "scope", "partner", "gen", "iat", "exp", "jti", "cnf"}, name) {
			t.Errorf("the token has %s", name)
		}
	}
	iat, _ := payload["iat"].(float64)
	if iat < float64(before)-2 || iat > float64(time.Now().Unix())+2 || iat != float64(int64(iat)) {
		t.Errorf("iat %v", payload["iat"])
	}
}

func TestTarget(t *testing.T) {
	clause.Covers(t, "RFC8707-2-a", "RFC8707-2-b", "RFC9068-3-a", "RFC9068-3-b", "RFC9700-2-3-a")
	d := harness.Shared(t)
	pair := d.Cast.Issuing.Client(t, keystestSubjectDN())
	target := refusal{http.StatusBadRequest, "invalid_target", "target_invalid", ""}
	scope := refusal{http.StatusBadRequest, "invalid_scope", "scope_not_granted", ""}
	form := func(more ...string) string { return harness.TokenForm("conf-dn", more...).Encode() }
	for _, c := range []struct {
		name, body string
		want       refusal
		audience   string
		scope      string
		lifetime   int64
	}{
		{name: "scopes of one API", body: form("scope", "ledger:read"), audience: harness.Ledger, scope: "ledger:read", lifetime: 120},
		{name: "resource", body: form("resource", d.Audience), audience: d.Audience, scope: "accounts:read accounts:write", lifetime: 300},
		{name: "resource and scope", body: form("resource", d.Audience, "scope", "accounts:write"), audience: d.Audience, scope: "accounts:write", lifetime: 300},
		{name: "neither, with scopes of two APIs", body: form(), want: target},
		{name: "scopes of two APIs", body: form("scope", "accounts:read ledger:read"), want: target},
		{name: "resource with another API's scope", body: form("resource", d.Audience, "scope", "ledger:read"), want: scope},
		{name: "unknown resource", body: form("resource", "https://nobody.test"), want: target},
		{name: "resource with a slash more", body: form("resource", d.Audience+"/"), want: target},
		{name: "resource in other case", body: form("resource", strings.ToUpper(d.Audience)), want: target},
		{name: "resource twice", body: form("resource", d.Audience, "resource", harness.Ledger), want: target},
		{name: "resource twice, the same", body: form("resource", d.Audience, "resource", d.Audience), want: target},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want.status != 0 {
				line := expectRefusal(t, d, d.Send(t, d.TokenRequest(&pair, c.body)), c.want)
				if c.want == scope && (line.Text("seen") != "ledger:read" || line.Text("expected") == "") {
					t.Errorf("the operator is not told which scope, and what is granted: %v", line)
				}
				return
			}
			resp := d.Send(t, d.TokenRequest(&pair, c.body))
			if resp.Status != http.StatusOK {
				t.Fatalf("want a token, got %s; log %v", resp, d.Decision(t, resp))
			}
			token := decodeToken(t, resp)
			_, payload := issued(t, token.AccessToken)
			if payload["aud"] != c.audience || payload["scope"] != c.scope || token.ExpiresIn != c.lifetime {
				t.Errorf("aud %v, scope %v, expires_in %d", payload["aud"], payload["scope"], token.ExpiresIn)
			}
		})
	}
	t.Run("an API where the client has nothing", func(t *testing.T) {
		acme := d.Pair(t, "acme-billing")
		expectRefusal(t, d, d.PostToken(t, &acme, harness.TokenForm("acme-billing", "resource", harness.Ledger)), target)
	})
}

// TestVerifierTakesHonestTokens are the positive twins of the attacks.
func TestVerifierTakesHonestTokens(t *testing.T) {
	clause.Covers(t, "RFC9068-4-a", "RFC9068-4-d", "RFC7519-4-1-5")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	kid := forge.KeyID(d.SigningKey)
	now := time.Now().Unix()
	for name, token := range map[string]string{
		"plain":                      forged(d, good),
		"typ with application/":      forge.ES256(d.SigningKey, `{"alg":"ES256","kid":"`+kid+`","typ":"application/at+jwt"}`, good.String()),
		"typ in other case":          forge.ES256(d.SigningKey, `{"alg":"ES256","kid":"`+kid+`","typ":"AT+JWT"}`, good.String()),
		"header in another order":    forge.ES256(d.SigningKey, `{"typ":"at+jwt","kid":"`+kid+`","alg":"ES256"}`, good.String()),
		"aud as a list of one":       forged(d, good.with("aud", []string{d.Audience})),
		"aud among others":           forged(d, good.with("aud", []string{"https://other.test", d.Audience})),
		"unknown claim":              forged(d, good.with("wat", map[string]any{"x": 1})),
		"nbf in the past":            forged(d, good.with("nbf", now-10)),
		"iat 5 s ahead: leeway":      forged(d, good.with("iat", now+5)),
		"nbf 5 s ahead: leeway":      forged(d, good.with("nbf", now+5)),
		"more scopes than the route": forged(d, good.with("scope", "other:read accounts:read")),
	} {
		t.Run(name, func(t *testing.T) { expectServed(t, d, d.CallAPI(t, &acme, token)) })
	}
}

func TestClaimAttacks(t *testing.T) {
	clause.Covers(t, "RFC9068-4-c", "RFC9068-4-d", "RFC9068-4-f", "RFC9068-4-g", "RFC8725-3-8", "RFC8725-3-9", "RFC7519-4-1-4", "RFC7519-4-1-5", "RFC9700-2-3-b")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	now := time.Now().Unix()
	for _, c := range []struct {
		claim   string
		values  []any
		reasons []string
	}{
		{"iss", []any{d.Issuer + "/", strings.ToUpper(d.Issuer), "https://evil.test", strings.Replace(d.Issuer, "https", "http", 1),
			d.Issuer + "\x00", " " + d.Issuer, strings.Replace(d.Issuer, "localhost", "127.0.0.1", 1)}, []string{"issuer_mismatch"}},
		{"iss", []any{nil, "", 1, true, []any{d.Issuer}, map[string]any{}}, []string{"issuer_mismatch", "token_malformed"}},
		{"aud", []any{d.Audience + "/", "https://evil.test", harness.Ledger, strings.ToUpper(d.Audience), []any{"a", "b"}}, []string{"audience_mismatch"}},
		{"aud", []any{nil, "", 1, []any{}, []any{1}, []any{d.Audience, 1}, map[string]any{d.Audience: true}}, []string{"audience_mismatch", "token_malformed"}},
		{"exp", []any{now, now - 1, now - 300, now - 600, 0, 1}, []string{"token_expired"}},
		{"exp", []any{float64(now) + 100.5}, []string{"token_malformed"}},
		{"exp", []any{nil, "9999999999", "", -1, true, []any{now + 300}, 1e300, 9999999999999999}, []string{"token_expired", "token_malformed"}},
		{"iat", []any{now + 60, now + 600}, []string{"token_not_yet_valid", "token_malformed"}},
		{"iat", []any{nil, "1", -1, true}, []string{"token_malformed", "token_not_yet_valid"}},
		{"nbf", []any{now + 60, now + 600}, []string{"token_not_yet_valid", "token_malformed"}},
		{"nbf", []any{"1", true, []any{}}, []string{"token_malformed"}},
		{"jti", []any{nil, 1, ""}, []string{"token_malformed"}},
		{"sub", []any{nil, 1, ""}, []string{"token_malformed"}},
		{"client_id", []any{nil, 1, ""}, []string{"token_malformed"}},
		{"scope", []any{1, []any{"accounts:read"}}, []string{"token_malformed"}},
	} {
		for _, value := range c.values {
			t.Run(c.claim+"="+describe(value), func(t *testing.T) {
				expectOneOf(t, d, d.APIRequest(&acme, forged(d, good.with(c.claim, value))), c.reasons...)
			})
		}
	}
}

// TestClaimNames holds JSON that one reader takes one way and another another.
func TestClaimNames(t *testing.T) {
	clause.Covers(t, "RFC7519-4-a", "RFC7519-4-b", "RFC7519-7-2", "RFC8725-3-7")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	body := strings.TrimSuffix(good.String(), "}")
	for name, payload := range map[string]string{
		"EXP instead of exp":       good.with("exp", nil).with("EXP", good["exp"]).String(),
		"AUD instead of aud":       good.with("aud", nil).with("AUD", good["aud"]).String(),
		"Iss instead of iss":       good.with("iss", nil).with("Iss", good["iss"]).String(),
		"exp twice":                body + `,"exp":1}`,
		"exp twice, good one last": `{"exp":1,` + good.String()[1:],
		"cnf twice":                body + `,"cnf":{}}`,
		"cnf twice, good one last": `{"cnf":{},` + good.String()[1:],
		"iss twice, equal":         body + `,"iss":"` + d.Issuer + `"}`,
		"exp escaped, second":      body + `,"\u0065xp":1}`,
		"thumbprint twice":         strings.Replace(good.String(), `"x5t#S256":`, `"x5t#S256":"x","x5t#S256":`, 1),
		"text after the object":    good.String() + "{}",
		"list":                     "[" + good.String() + "]",
		"null":                     "null",
		"text":                     `"x"`,
		"number":                   "1",
		"empty":                    "",
		"byte order mark":          "\ufeff" + good.String(),
		"not UTF-8":                body + ",\"x\":\"\xff\"}",
		"comment":                  body + "/**/}",
		"trailing comma":           body + ",}",
		"deeply nested":            body + `,"x":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + "}",
		"single quotes":            strings.ReplaceAll(good.String(), `"`, `'`),
	} {
		t.Run(name, func(t *testing.T) {
			expectOneOf(t, d, d.APIRequest(&acme, forged(d, text(payload))),
				"token_malformed", "issuer_mismatch", "audience_mismatch", "token_expired", "token_unbound")
		})
	}
}

func TestScopesAtTheRoute(t *testing.T) {
	clause.Covers(t, "RFC6750-3-1-a", "RFC6750-3-1-c", "RFC6750-3-c", "RFC9700-2-3-b")
	d, acme := victim(t)
	edge := d.Pair(t, "acme-edge")
	reader := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	writer := d.Token(t, &edge, harness.TokenForm("acme-edge")).AccessToken
	post := d.APIRequest(&acme, reader)
	post.Method = http.MethodPost
	resp, line := expectAPIRefusal(t, d, post, refusal{http.StatusForbidden, "insufficient_scope", "scope_insufficient", ""})
	if c := expectChallenge(t, resp); c["error"] != "insufficient_scope" || c["scope"] != "accounts:write" {
		t.Errorf("challenge %v", c)
	}
	if needed, _ := line["scopes_needed"].([]any); len(needed) != 1 || needed[0] != "accounts:write" {
		t.Errorf("the log says scopes_needed %v", line["scopes_needed"])
	}
	twin := d.APIRequest(&edge, writer)
	twin.Method = http.MethodPost
	expectServed(t, d, d.Send(t, twin))
	good := goodClaims(d, acme)
	for _, scope := range []any{nil, "", "accounts:readx", "xaccounts:read", "ACCOUNTS:READ", "accounts:read\taccounts:write", "accounts:\u200bread", "accounts:*", "*"} {
		t.Run(describe(scope), func(t *testing.T) {
			req := d.APIRequest(&acme, forged(d, good.with("scope", scope)))
			before := d.Hits(t)
			resp := d.Send(t, req)
			if resp.Status == http.StatusOK || d.Hits(t) != before {
				t.Errorf("it came through: %s", resp)
			}
		})
	}
	t.Run("a bad token on a forbidden route is 401", func(t *testing.T) {
		req := d.APIRequest(&acme, forged(d, good.with("exp", 1).with("scope", "x")))
		expectAPIRefusal(t, d, req, badToken("token_expired"))
	})
}
