package conformance

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// TestMutatedES384Signatures does so with a P-384 key.
func TestMutatedES384Signatures(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC7518-3-4", "RFC8725-3-3")
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expectMutations(t, "ES384", forge.ES384PrivateJWK(key),
		func(header, payload string) string { return forge.ES384(key, header, payload) },
		func(input string) []forge.Mutation { return forge.ES384Mutations(key, input) })
}

// TestMutatedPS256Signatures does so with PSS on an RSA key.
func TestMutatedPS256Signatures(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC7518-3-5", "RFC8725-3-3")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	expectMutations(t, "PS256", forge.RSAPrivateJWK(key, "PS256", "rsa"),
		func(header, payload string) string { return forge.PS256(key, header, payload) },
		func(input string) []forge.Mutation { return forge.PS256Mutations(key, input) })
}

// TestMutatedRS256Signatures does so with an RSA key, which RFC 9068 §2.1 asks
// every resource server to take.
func TestMutatedRS256Signatures(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC8725-3-3")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	expectMutations(t, "RS256", forge.RSAPrivateJWK(key, "RS256", "rsa"),
		func(header, payload string) string { return forge.RS256(key, header, payload) },
		func(input string) []forge.Mutation { return forge.RS256Mutations(key, input) })
}

// TestMutatedEdDSASignatures does so with an Ed25519 key.
func TestMutatedEdDSASignatures(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC8725-3-3")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expectMutations(t, "EdDSA", forge.EdDSAPrivateJWK(key),
		func(header, payload string) string { return forge.EdDSA(key, header, payload) },
		func(input string) []forge.Mutation { return forge.EdDSAMutations(key, input) })
}

// expectMutations starts a server that signs with the key, and sends what is made
// of a good token, and the good signature under the names of other algorithms.
func expectMutations(t *testing.T, alg string, jwk []byte, sign func(header, payload string) string, mutate func(string) []forge.Mutation) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, jwk, 0o600); err != nil {
		t.Fatal(err)
	}
	d := harness.Start(t, "--signing-key", file)
	acme := d.Pair(t, "acme-billing")
	kid := signedWith(t, d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken)
	head := func(alg string) string { return `{"alg":"` + alg + `","kid":"` + kid + `","typ":"at+jwt"}` }
	payload := goodClaims(d, acme).String()
	all := append([]hostile{{"unchanged", sign(head(alg), payload), true}}, mutated(mutate(forge.Encode(head(alg), payload)))...)
	for _, other := range []string{"ES256", "ES384", "EdDSA", "Ed25519", "PS256", "RS256", "RS384", "RS512", "HS256", "RSA1_5", "none", strings.ToLower(alg)} {
		if other != alg {
			all = append(all, hostile{"alg " + other, sign(head(other), payload), false})
		}
	}
	expectHostile(t, d, &acme, all)
}
