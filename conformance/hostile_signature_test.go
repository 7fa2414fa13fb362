package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// hostile is one forged token and whether it must be served after all.
type hostile struct {
	name, token string
	served      bool
}

// expectHostile sends each token on one open connection of the certificate: it is
// refused with a challenge and a reason, or served where that is right, and the API
// sees none but those.
func expectHostile(t *testing.T, d *harness.Dev, pair *keystest.Pair, all []hostile) {
	t.Helper()
	client := d.HTTPClient(t, pair, nil)
	before, served := d.Hits(t), 0
	for _, h := range all {
		request := d.APIRequest(nil, h.token)
		request.Client = client
		resp, err := d.Try(t, request)
		switch {
		case err != nil:
			t.Errorf("%s: %v", h.name, err)
		case h.served:
			served++
			if resp.Status != http.StatusOK {
				t.Errorf("%s: want it served, got %d %s", h.name, resp.Status, reasonOf(resp))
			}
		case resp.Status != http.StatusUnauthorized && reasonOf(resp) != "scope_insufficient" || reasonOf(resp) == "" || len(resp.Header.Values("WWW-Authenticate")) != 1:
			t.Errorf("%s: want a refusal with a reason, got %d %s", h.name, resp.Status, reasonOf(resp))
		}
	}
	if reached := d.Hits(t) - before; reached != served {
		t.Errorf("%d requests reached the API, want %d", reached, served)
	}
	t.Logf("%d tokens, %d of them served", len(all), served)
}

func mutated(list []forge.Mutation) (out []hostile) {
	for _, m := range list {
		out = append(out, hostile{m.Name, m.Token, m.Valid})
	}
	return out
}

// TestMutatedES256Signatures signs a good token with the server's own key and
// changes one thing about the signature at a time.
func TestMutatedES256Signatures(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC7518-3-4", "RFC8725-3-3")
	d, acme := victim(t)
	input := forge.Encode(header(d), goodClaims(d, acme).String())
	all := append([]hostile{{"unchanged", forge.ES256(d.SigningKey, header(d), goodClaims(d, acme).String()), true}},
		mutated(forge.ES256Mutations(d.SigningKey, input))...)
	expectHostile(t, d, &acme, all)
	// The good signature of the same input is served after all of that, so nothing
	// above was remembered for it.
	expectServed(t, d, d.CallAPI(t, &acme, forge.Signed(input, forge.SignES256(d.SigningKey, input))))
}

// TestMutatedRS256Signatures does so with an RSA key, which RFC 9068 §2.1 asks
// every resource server to take.
func TestMutatedRS256Signatures(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC8725-3-3")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, forge.RSAPrivateJWK(key, "rsa"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := harness.Start(t, "--signing-key", file)
	acme := d.Pair(t, "acme-billing")
	kid := signedWith(t, d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken)
	head := `{"alg":"RS256","kid":"` + kid + `","typ":"at+jwt"}`
	payload := goodClaims(d, acme).String()
	all := append([]hostile{{"unchanged", forge.RS256(key, head, payload), true}}, mutated(forge.RS256Mutations(key, forge.Encode(head, payload)))...)
	for _, alg := range []string{"ES256", "PS256", "RS384", "RS512", "HS256", "EdDSA", "RSA1_5", "rs256"} {
		all = append(all, hostile{"alg " + alg, forge.RS256(key, `{"alg":"`+alg+`","kid":"`+kid+`","typ":"at+jwt"}`, payload), false})
	}
	expectHostile(t, d, &acme, all)
}
