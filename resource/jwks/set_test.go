package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/jwks"
)

func mustEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAlgorithm(t *testing.T) {
	p256, p384, p521 := mustEC(t, elliptic.P256()), mustEC(t, elliptic.P384()), mustEC(t, elliptic.P521())
	p224, rsa2048, rsa1024 := mustEC(t, elliptic.P224()), mustRSA(t, 2048), mustRSA(t, 1024)
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		key  jose.JSONWebKey
		want string // algorithm, or error
	}{
		{"P-256", jose.JSONWebKey{Key: &p256.PublicKey}, "ES256"},
		{"P-384", jose.JSONWebKey{Key: &p384.PublicKey}, "ES384"},
		{"P-521", jose.JSONWebKey{Key: &p521.PublicKey}, "ES512"},
		{"RSA", jose.JSONWebKey{Key: &rsa2048.PublicKey}, "RS256"},
		{"RSA for PS384", jose.JSONWebKey{Key: &rsa2048.PublicKey, Algorithm: "PS384", Use: "sig"}, "PS384"},
		{"Ed25519", jose.JSONWebKey{Key: edPublic}, "EdDSA"},
		{"for encryption", jose.JSONWebKey{Key: &p256.PublicKey, KeyID: "k", Use: "enc"}, `jwks: key "k" is not for signatures: use is "enc"`},
		{"ES384 with P-256", jose.JSONWebKey{Key: &p256.PublicKey, KeyID: "k", Algorithm: "ES384"}, `jwks: key "k": alg "ES384" does not fit its type`},
		{"HS256 with RSA", jose.JSONWebKey{Key: &rsa2048.PublicKey, KeyID: "k", Algorithm: "HS256"}, `jwks: key "k": alg "HS256" does not fit its type`},
		{"RSA-OAEP", jose.JSONWebKey{Key: &rsa2048.PublicKey, KeyID: "k", Algorithm: "RSA-OAEP"}, `jwks: key "k": alg "RSA-OAEP" does not fit its type`},
		{"none", jose.JSONWebKey{Key: &p256.PublicKey, KeyID: "k", Algorithm: "none"}, `jwks: key "k": alg "none" does not fit its type`},
		{"RSA 1024", jose.JSONWebKey{Key: &rsa1024.PublicKey, KeyID: "k"}, `jwks: key "k": RSA key has less than 2048 bits`},
		{"P-224", jose.JSONWebKey{Key: &p224.PublicKey, KeyID: "k"}, `jwks: key "k": unsupported elliptic curve`},
		{"private EC", jose.JSONWebKey{Key: p256, KeyID: "k"}, `jwks: key "k": not a public key for signatures`},
		{"private Ed25519", jose.JSONWebKey{Key: edPrivate, KeyID: "k"}, `jwks: key "k": not a public key for signatures`},
		{"symmetric", jose.JSONWebKey{Key: []byte("secret"), KeyID: "k"}, `jwks: key "k": not a public key for signatures`},
		{"nothing", jose.JSONWebKey{KeyID: "k"}, `jwks: key "k": not a public key for signatures`},
		{"an empty RSA key", jose.JSONWebKey{Key: &rsa.PublicKey{}, KeyID: "k"}, `jwks: key "k": RSA key has less than 2048 bits`},
		{"an empty EC key", jose.JSONWebKey{Key: &ecdsa.PublicKey{}, KeyID: "k"}, `jwks: key "k": unsupported elliptic curve`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alg, err := jwks.Algorithm(&tt.key)
			got := string(alg)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// jwk renders a key and adds members.
func jwk(t testing.TB, key any, kid, extra string) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	if extra == "" {
		return string(text)
	}
	return strings.TrimSuffix(string(text), "}") + "," + extra + "}"
}

// TestParseIgnoresOtherKeys puts each odd key beside a good one (RFC 7517 §5).
func TestParseIgnoresOtherKeys(t *testing.T) {
	key, weak := mustEC(t, elliptic.P256()), mustRSA(t, 1024)
	x := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for name, odd := range map[string]string{
		"unknown kty":        `{"kty":"LWE","kid":"odd"}`,
		"unknown curve":      `{"kty":"OKP","crv":"X25519","kid":"odd","x":"` + x + `"}`,
		"no kty":             `{"kid":"odd"}`,
		"symmetric":          `{"kty":"oct","kid":"odd","k":"c2VjcmV0"}`,
		"private":            jwk(t, key, "odd", ""),
		"off the curve":      `{"kty":"EC","crv":"P-256","kid":"odd","x":"` + x + `","y":"` + x + `"}`,
		"low-order point":    `{"kty":"OKP","crv":"Ed25519","kid":"odd","x":"` + x + `"}`,
		"RSA 1024":           jwk(t, &weak.PublicKey, "odd", ""),
		"RSA e=1":            `{"kty":"RSA","kid":"odd","n":"` + strings.Repeat("9", 342) + `","e":"AQ"}`,
		"for encryption":     jwk(t, &key.PublicKey, "odd", `"use":"enc"`),
		"operations encrypt": jwk(t, &key.PublicKey, "odd", `"key_ops":["encrypt"]`),
		"no operations":      jwk(t, &key.PublicKey, "odd", `"key_ops":[]`),
		"operations a text":  jwk(t, &key.PublicKey, "odd", `"key_ops":"verify"`),
		"another algorithm":  jwk(t, &key.PublicKey, "odd", `"alg":"RS256"`),
		"no kid":             jwk(t, &key.PublicKey, "", ""),
		"kid a number":       jwk(t, &key.PublicKey, "", `"kid":1`),
		"kid twice":          jwk(t, &key.PublicKey, "odd", `"kid":"odd"`),
		"KTY":                `{"KTY":"EC","kid":"odd"}`,
		"not an object":      `"odd"`,
		"null":               `null`,
	} {
		t.Run(name, func(t *testing.T) {
			good := jwk(t, &key.PublicKey, "good", `"use":"sig","key_ops":["verify"],"alg":"ES256"`)
			set, err := jwks.Parse([]byte(`{"keys":[` + odd + `,` + good + `],"extra":1}`))
			if err != nil {
				t.Fatal(err)
			}
			if len(set) != 1 || set[0].KeyID != "good" {
				t.Errorf("kept %d keys", len(set))
			}
			if found, err := set.Keys(context.Background(), "good"); err != nil || len(found) != 1 {
				t.Errorf("the good key: %d, %v", len(found), err)
			}
			if found, _ := set.Keys(context.Background(), "odd"); len(found) != 0 {
				t.Error("the odd key is offered")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for document, want := range map[string]string{
		`{}`:            "jwks: not a JWK Set: no keys member",
		`{"KEYS":[]}`:   "jwks: not a JWK Set: no keys member",
		`{"keys":null}`: "jwks: not a JWK Set: no keys member",
		`null`:          "jwks: not a JWK Set: no keys member",
		`{"keys":[` + strings.TrimSuffix(strings.Repeat(`{},`, 101), ",") + `]}`: "jwks: more than 100 keys in the set",
	} {
		if _, err := jwks.Parse([]byte(document)); err == nil || err.Error() != want {
			t.Errorf("%.30s: got %v, want %s", document, err, want)
		}
	}
	for _, document := range []string{"", "[]", `{"keys":{}}`, `{"keys":[],"keys":[]}`, `{"keys":[]}x`} {
		if _, err := jwks.Parse([]byte(document)); err == nil || !strings.HasPrefix(err.Error(), "jwks: not a JWK Set: ") {
			t.Errorf("%s: got %v", document, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	key := mustEC(f, elliptic.P256())
	f.Add([]byte(fmt.Sprintf(`{"keys":[%s]}`, jwk(f, &key.PublicKey, "k", `"use":"sig"`))))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		set, err := jwks.Parse(document)
		if err != nil {
			return
		}
		for i := range set {
			if _, err := jwks.Algorithm(&set[i]); err != nil || set[i].KeyID == "" || !set[i].IsPublic() {
				t.Fatalf("kept an unusable key: %+v, %v", set[i], err)
			}
		}
	})
}
