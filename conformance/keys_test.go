package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// signingKey is a key as `certbound key list -o json` shows it.
type signingKey struct {
	KID     string     `json:"kid"`
	Purpose string     `json:"purpose"`
	Alg     string     `json:"alg"`
	Status  string     `json:"status"`
	DueAt   *time.Time `json:"due_at"`
}

func listKeys(t *testing.T, d *harness.Dev) (list []signingKey) {
	t.Helper()
	text := mustAdmin(t, d, "key", "list", "-o", "json")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return list
}

// keyOf returns the key of a purpose and status.
func keyOf(t *testing.T, d *harness.Dev, purpose, status string) string {
	t.Helper()
	list := listKeys(t, d)
	i := slices.IndexFunc(list, func(k signingKey) bool { return k.Purpose == purpose && k.Status == status })
	if i < 0 {
		t.Fatalf("no key of %s is %s: %+v", purpose, status, list)
	}
	return list[i].KID
}

// publishedKeys are the kids of the JWK set.
func publishedKeys(t *testing.T, d *harness.Dev) (kids []string) {
	t.Helper()
	keys, _ := getJSON(t, d, d.JWKSURI)["keys"].([]any)
	for _, key := range keys {
		kid, _ := key.(map[string]any)["kid"].(string)
		kids = append(kids, kid)
	}
	return kids
}

// signedWith is the kid in the header of a token.
func signedWith(t *testing.T, token string) string {
	t.Helper()
	header, _ := issued(t, token)
	kid, _ := header["kid"].(string)
	return kid
}

// TestAlgorithmOfAnAPI: each algorithm, from the registration of the API to the
// proxy that verifies it.
func TestAlgorithmOfAnAPI(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC9068-2-1-c", "RFC8725-3-1-a")
	upstream := newUpstream(t)
	for _, alg := range []string{"RS256", "PS256", "ES384", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			site := harness.NewSite(t, upstream.URL)
			seed := filepath.Join(site.Dir, "seed.json")
			text, err := os.ReadFile(seed)
			if err != nil {
				t.Fatal(err)
			}
			asked := strings.Replace(string(text), `"audience":`, `"signing_alg": "`+alg+`", "audience":`, 1)
			file("seed.json", asked)(t, site)
			d := site.Start(t)
			one, two := site.Client(t, "one"), site.Client(t, "two")
			token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
			if header, _ := issued(t, token); header["alg"] != alg {
				t.Fatalf("the token is signed with %v", header["alg"])
			}
			expectServed(t, d, d.CallAPI(t, &one, token))
			expectRefusal(t, d, d.CallAPI(t, &two, token), badToken("thumbprint_mismatch"))
			altered := []byte(token)
			if at := len(altered) - 20; altered[at] == 'A' {
				altered[at] = 'B'
			} else {
				altered[at] = 'A'
			}
			expectRefusal(t, d, d.CallAPI(t, &one, string(altered)), badToken("signature_invalid"))
		})
	}
}

// TestUnknownAlgorithmOfAnAPI: what nobody signs with is no registration.
func TestUnknownAlgorithmOfAnAPI(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "none", "ES512", "es256"} {
		site := harness.NewSite(t, "http://127.0.0.1:1")
		text, err := os.ReadFile(filepath.Join(site.Dir, "seed.json"))
		if err != nil {
			t.Fatal(err)
		}
		file("seed.json", strings.Replace(string(text), `"audience":`, `"signing_alg": "`+alg+`", "audience":`, 1))(t, site)
		serve, _ := site.WriteConfigs(t)
		result := harness.Run(t, "serve", "--config", serve)
		if result.Code == 0 {
			t.Fatalf("%s: it started", alg)
		}
		expectMentions(t, result.Stderr, "seed.json", alg, "EdDSA")
	}
}

// TestStolenKey: everything a revoked key has signed is refused on the open
// connection, honest clients go on with new tokens at once, and a restart changes
// nothing.
func TestStolenKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := harness.StartIn(t, dir)
	c := newCaller(t, d, "acme-billing")
	if response := c.call(t); response.Status != http.StatusOK {
		t.Fatalf("before: %s", response)
	}
	stolen, next := keyOf(t, d, "access_token", "active"), keyOf(t, d, "access_token", "next")
	if signedWith(t, c.token) != stolen || !slices.Contains(publishedKeys(t, d), next) {
		t.Fatalf("%s signs, or %s is not published", signedWith(t, c.token), next)
	}
	if told := mustAdmin(t, d, "key", "revoke", stolen, "--reason", "found in a backup"); !strings.Contains(told, next) {
		t.Errorf("revoke says %s", told)
	}
	if slices.Contains(publishedKeys(t, d), stolen) {
		t.Error("the revoked key is published")
	}
	fresh := d.Token(t, &c.pair, harness.TokenForm("acme-billing")).AccessToken
	if signedWith(t, fresh) != next {
		t.Errorf("%s signs, want %s", signedWith(t, fresh), next)
	}
	if reason := c.ends(t); reason != "token_revoked" && reason != "key_unknown" {
		t.Errorf("reason %s", reason)
	}
	if answer := introspected(t, d, c.token); answer["active"] != false {
		t.Errorf("introspection %v", answer)
	}
	c.token = fresh
	if response := c.call(t); response.Status != http.StatusOK {
		t.Errorf("a token of the new key: %s", response)
	}
	if events := mustAdmin(t, d, "audit", "export", "--kind", "key.revoked"); !strings.Contains(events, stolen) || !strings.Contains(events, `"actor":"admin"`) || !strings.Contains(events, "found in a backup") {
		t.Errorf("audit events:\n%s", events)
	}
	if result := asAdmin(t, d, "key", "revoke", "unknown", "--reason", "x"); result.Code != 2 || !strings.Contains(result.Stderr, "record_unknown") {
		t.Errorf("an unknown key: %d %s", result.Code, result.Stderr)
	}
	if err := d.Kill(); err != nil { // acknowledged is durable
		t.Fatal(err)
	}
	d = harness.StartIn(t, dir)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	if slices.Contains(publishedKeys(t, d), stolen) || keyOf(t, d, "access_token", "active") != next || keyOf(t, d, "access_token", "revoked") != stolen {
		t.Errorf("after a crash: %+v", listKeys(t, d))
	}
}

// TestStolenFeedKey: the feed goes on under another key, which resource servers
// learn over TLS like any other.
func TestStolenFeedKey(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	c := newCaller(t, d, "acme-billing")
	if response := c.call(t); response.Status != http.StatusOK {
		t.Fatalf("before: %s", response)
	}
	stolen := keyOf(t, d, "revocation_feed", "active")
	mustAdmin(t, d, "key", "revoke", stolen, "--reason", "test")
	if keyOf(t, d, "revocation_feed", "active") == stolen || slices.Contains(publishedKeys(t, d), stolen) {
		t.Fatalf("keys %+v", listKeys(t, d))
	}
	if response := c.call(t); response.Status != http.StatusOK {
		t.Errorf("tokens are not signed with it: %s", response)
	}
	if response := form(t, d, d.Revocation, &c.pair, url.Values{"client_id": {"acme-billing"}, "token": {c.token}}); response.Status != http.StatusOK {
		t.Fatalf("revocation: %s", response)
	}
	if reason := c.ends(t); reason != "token_revoked" {
		t.Errorf("reason %s", reason)
	}
}
