package conformance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestRevocationIsNoOracle: whatever is wrong with a token, and whatever the hint,
// the answer is that of success, to the byte; and what could be revoked is.
func TestRevocationIsNoOracle(t *testing.T) {
	clause.Covers(t, "RFC7009-2-1-c", "RFC7009-2-2-a", "RFC7009-2-2-b", "RFC7009-5")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	now := time.Now().Unix()
	own := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	client := &inquirer{d: d, id: "acme-billing", pair: acme, url: d.Revocation}
	var first string
	for _, c := range []struct{ name, token, hint string }{
		{"own", own, "refresh_token"},
		{"own, again", own, ""},
		{"own, a hint that nobody knows", d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken, "nonsense"},
		{"garbage", "garbage", ""},
		{"dots", "a.b.c", "access_token"},
		{"expired", forged(d, good.with("exp", now-1).with("iat", now-300)), ""},
		{"another key", forge.ES256(forge.NewKey(), header(d), good.String()), ""},
		{"another issuer", forged(d, good.with("iss", "https://evil.test")), ""},
		{"a guessed jti of another client", forge.ES256(forge.NewKey(), header(d), good.with("client_id", "mallory-app").String()), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := client.request(c.token)
			if c.hint != "" {
				request = client.request(c.token, "token_type_hint", c.hint)
			}
			response := d.Send(t, request)
			header := response.Header.Clone()
			header.Del("Date")
			header.Del("X-Request-Id")
			got := fmt.Sprint(response.Status, header, string(response.Body))
			if response.Status != http.StatusOK || len(response.Body) != 0 {
				t.Errorf("want an empty 200, got %s", response)
			}
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("this answer differs from the first:\n%s\n%s", got, first)
			}
		})
	}
	if answer := introspected(t, d, own); answer["active"] != false {
		t.Errorf("revoked with a wrong hint, and %v", answer)
	}
}
