package conformance

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

func TestAlgNone(t *testing.T) {
	clause.Covers(t, "RFC8725-3-2", "RFC9068-4-e")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	genuine := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	signature := genuine[strings.LastIndexByte(genuine, '.'):]
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", ""} {
		for form, end := range map[string]string{"no signature": ".", "a signature": signature, "no dot": ""} {
			t.Run(alg+", "+form, func(t *testing.T) {
				token := forge.Encode(`{"alg":"`+alg+`","kid":"`+forge.KeyID(d.SigningKey)+`","typ":"at+jwt"}`, good.String()) + end
				expectOneOf(t, d, d.APIRequest(&acme, token), "algorithm_refused", "token_malformed")
			})
		}
	}
	t.Run("no alg", func(t *testing.T) {
		token := forge.ES256(d.SigningKey, `{"kid":"`+forge.KeyID(d.SigningKey)+`","typ":"at+jwt"}`, good.String())
		expectOneOf(t, d, d.APIRequest(&acme, token), "algorithm_refused", "token_malformed")
	})
}

// TestPublicKeyAsSecret signs with everything the public key may be written as.
func TestPublicKeyAsSecret(t *testing.T) {
	clause.Covers(t, "RFC8725-3-1-b", "RFC8725-3-1-a")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	der, err := x509.MarshalPKIXPublicKey(d.SigningKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	point, err := d.SigningKey.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwks := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.JWKSURI}).Body
	pem := d.PublicKeyPEM(t)
	for name, secret := range map[string][]byte{
		"PEM": pem, "PEM without the last line break": []byte(strings.TrimSpace(string(pem))),
		"DER": der, "point": point, "X": point[1:33], "JWK": []byte(forge.PublicJWK(d.SigningKey)), "JWKS": jwks,
		"base64 of DER": []byte(base64.StdEncoding.EncodeToString(der)), "empty": {}, "kid": []byte(forge.KeyID(d.SigningKey)),
	} {
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			t.Run(alg+" "+name, func(t *testing.T) {
				token := forge.HMAC(alg, secret, fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, forge.KeyID(d.SigningKey)), good.String())
				expectAPIRefusal(t, d, d.APIRequest(&acme, token), badToken("algorithm_refused"))
			})
		}
	}
}

func TestOtherAlgorithmThanTheKeys(t *testing.T) {
	clause.Covers(t, "RFC8725-3-1-a")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	for _, alg := range []string{"RS256", "PS256", "ES384", "ES512", "EdDSA", "ES256K", "RSA-OAEP", "es256", "ES256 "} {
		t.Run(alg, func(t *testing.T) {
			token := forge.ES256(d.SigningKey, fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, forge.KeyID(d.SigningKey)), good.String())
			expectOneOf(t, d, d.APIRequest(&acme, token), "algorithm_refused", "key_unknown", "signature_invalid")
		})
	}
}

func TestSignatureAttacks(t *testing.T) {
	clause.Covers(t, "RFC8725-3-3", "RFC7518-3-4", "RFC7515-5-2", "RFC7515-7-1", "RFC9068-4-e", "RFC9068-4-b", "RFC8725-3-6")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	genuine := forged(d, good)
	input, signature := genuine[:strings.LastIndexByte(genuine, '.')], genuine[strings.LastIndexByte(genuine, '.')+1:]
	r, s := forge.ES256Values(d.SigningKey, input)
	b64 := base64.RawURLEncoding.EncodeToString
	zero := make([]byte, 32)
	altered := []byte(signature)
	altered[10] ^= 1
	parts := strings.Split(genuine, ".")
	other := forged(d, good.with("sub", "root"))
	for name, token := range map[string]string{
		"altered signature":            input + "." + strings.Replace(signature, signature[10:12], "AA", 1),
		"another key, same kid":        forge.ES256(forge.NewKey(), header(d), good.String()),
		"payload of another token":     parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2],
		"header of another token":      b64([]byte(strings.Replace(header(d), "{", "{ ", 1))) + "." + parts[1] + "." + parts[2],
		"empty signature":              input + ".",
		"cut signature":                input + "." + signature[:80],
		"signature and more":           input + "." + signature + "AAAA",
		"S and R swapped":              input + "." + b64(append(append([]byte{}, s...), r...)),
		"zero":                         input + "." + b64(append(append([]byte{}, zero...), zero...)),
		"R zero":                       input + "." + b64(append(append([]byte{}, zero...), s...)),
		"33 bytes each":                input + "." + b64(append(append([]byte{0}, r...), append([]byte{0}, s...)...)),
		"ASN.1":                        forge.ES256DER(d.SigningKey, header(d), good.String()),
		"padded":                       genuine + "==",
		"two parts":                    input,
		"four parts":                   genuine + ".e30",
		"five parts (encrypted)":       genuine + ".e30.e30",
		"one part":                     parts[0],
		"dots":                         "...",
		"many dots":                    strings.Repeat(".", 3000),
		"empty header":                 "." + parts[1] + "." + parts[2],
		"empty payload":                parts[0] + ".." + parts[2],
		"standard alphabet":            strings.NewReplacer("-", "+", "_", "/").Replace(parts[0]+"."+parts[1]) + "+/." + parts[2],
		"JSON serialization in base64": b64([]byte(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`)),
		"not a token":                  "wat",
	} {
		t.Run(name, func(t *testing.T) {
			expectOneOf(t, d, d.APIRequest(&acme, token), "signature_invalid", "token_malformed", "key_unknown", "algorithm_refused")
		})
	}
	expectServed(t, d, d.CallAPI(t, &acme, genuine))
}

// TestLastLetter changes bits of the signature's last letter that no byte holds:
// one token must not have several spellings, where a spelling is a cache key.
func TestLastLetter(t *testing.T) {
	clause.Covers(t, "RFC7515-5-2", "RFC4648-3-5")
	d, acme := victim(t)
	token := forged(d, goodClaims(d, acme))
	expectServed(t, d, d.CallAPI(t, &acme, token))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	spelled := token[:len(token)-1] + string(alphabet[last^1])
	expectOneOf(t, d, d.APIRequest(&acme, spelled), "token_malformed", "signature_invalid")
}

// TestKeysInTheToken offers the attacker's own key in every way JOSE knows, and
// addresses that must not be asked.
func TestKeysInTheToken(t *testing.T) {
	clause.Covers(t, "RFC7515-4-1-3", "RFC8725-3-10")
	d, acme := victim(t)
	good := goodClaims(d, acme).String()
	attacker := forge.NewKey()
	jwk := forge.PublicJWK(attacker)
	var asked atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"keys":[` + jwk + `]}`))
	}))
	defer listener.Close()
	digest := sha256.Sum256([]byte(jwk))
	own := base64.RawURLEncoding.EncodeToString(digest[:])
	x5c := base64.StdEncoding.EncodeToString(acme.Cert.Raw)
	for name, extra := range map[string]string{
		"jwk":              `"kid":"` + own + `","jwk":` + jwk,
		"jwk, kid known":   `"kid":"` + forge.KeyID(d.SigningKey) + `","jwk":` + jwk,
		"jwk, no kid":      `"jwk":` + jwk,
		"jku":              `"kid":"` + own + `","jku":"` + listener.URL + `"`,
		"x5u":              `"kid":"` + own + `","x5u":"` + listener.URL + `"`,
		"x5c":              `"kid":"` + own + `","x5c":["` + x5c + `"]`,
		"kid is a path":    `"kid":"../../../../dev/null"`,
		"kid is a URL":     `"kid":"` + listener.URL + `"`,
		"kid is SQL":       `"kid":"' OR 1=1 --"`,
		"kid is a command": `"kid":"$(id)"`,
		"kid is empty":     `"kid":""`,
		"kid is a number":  `"kid":1`,
		"kid is long":      `"kid":"` + strings.Repeat("k", 2000) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			token := forge.ES256(attacker, `{"alg":"ES256","typ":"at+jwt",`+extra+`}`, good)
			expectOneOf(t, d, d.APIRequest(&acme, token), "key_unknown", "signature_invalid", "token_malformed")
		})
	}
	t.Run("the server's key stands even beside another one", func(t *testing.T) {
		token := forge.ES256(d.SigningKey, strings.Replace(header(d), "{", `{"jku":"`+listener.URL+`",`, 1), good)
		before := asked.Load()
		resp := d.CallAPI(t, &acme, token)
		if asked.Load() != before {
			t.Errorf("jku was asked: %s", resp)
		}
	})
	if n := asked.Load(); n != 0 {
		t.Errorf("an address from a token was fetched %d times", n)
	}
}

func TestCriticalHeaders(t *testing.T) {
	clause.Covers(t, "RFC7515-4-1-11", "RFC7797-6")
	d, acme := victim(t)
	good := goodClaims(d, acme).String()
	for _, extra := range []string{
		`"crit":["wat"],"wat":1`, `"crit":["wat"]`, `"crit":[]`, `"crit":["alg"]`, `"crit":"wat"`, `"crit":null`, `"crit":[1]`,
		`"crit":["b64"],"b64":false`, `"crit":["exp"],"exp":1`,
	} {
		t.Run(extra, func(t *testing.T) {
			token := forge.ES256(d.SigningKey, strings.TrimSuffix(header(d), "}")+","+extra+"}", good)
			expectOneOf(t, d, d.APIRequest(&acme, token), "token_malformed")
		})
	}
}

func TestHeaderNames(t *testing.T) {
	clause.Covers(t, "RFC7519-4-b", "RFC7515-4", "RFC8725-3-7")
	d, acme := victim(t)
	good := goodClaims(d, acme).String()
	kid := forge.KeyID(d.SigningKey)
	for name, head := range map[string]string{
		"alg twice":            `{"alg":"none","alg":"ES256","kid":"` + kid + `","typ":"at+jwt"}`,
		"alg twice, none last": `{"alg":"ES256","alg":"none","kid":"` + kid + `","typ":"at+jwt"}`,
		"typ twice":            `{"alg":"ES256","kid":"` + kid + `","typ":"JWT","typ":"at+jwt"}`,
		"kid twice":            `{"alg":"ES256","kid":"x","kid":"` + kid + `","typ":"at+jwt"}`,
		"ALG":                  `{"ALG":"ES256","kid":"` + kid + `","typ":"at+jwt"}`,
		"not an object":        `["ES256"]`,
		"text after it":        `{"alg":"ES256","kid":"` + kid + `","typ":"at+jwt"}x`,
		"byte order mark":      "\ufeff" + `{"alg":"ES256","kid":"` + kid + `","typ":"at+jwt"}`,
	} {
		t.Run(name, func(t *testing.T) {
			token := forge.ES256(d.SigningKey, head, good)
			expectOneOf(t, d, d.APIRequest(&acme, token), "token_malformed", "algorithm_refused", "type_refused")
		})
	}
}

// TestOtherKindsOfToken shows the issuer's own signature on something else.
func TestOtherKindsOfToken(t *testing.T) {
	clause.Covers(t, "RFC9068-4-a", "RFC8725-3-11", "RFC8725-3-12", "RFC9068-5-b")
	d, acme := victim(t)
	good := goodClaims(d, acme).String()
	for _, typ := range []string{
		`"JWT"`, `"jwt"`, `"at"`, `"at+jwt "`, `" at+jwt"`, `"at+jwtx"`, `"at-jwt"`, `"id_token"`, `"logout+jwt"`, `"secevent+jwt"`,
		`"dpop+jwt"`, `"client-authentication+jwt"`, `"application/jwt"`, `"application/application/at+jwt"`, `"text/at+jwt"`,
		`"certbound-revocations+jwt"`, `""`, `null`, `1`, `["at+jwt"]`,
	} {
		t.Run(typ, func(t *testing.T) {
			head := `{"alg":"ES256","kid":"` + forge.KeyID(d.SigningKey) + `","typ":` + typ + `}`
			expectOneOf(t, d, d.APIRequest(&acme, forge.ES256(d.SigningKey, head, good)), "type_refused", "token_malformed")
		})
	}
	t.Run("no typ", func(t *testing.T) {
		head := `{"alg":"ES256","kid":"` + forge.KeyID(d.SigningKey) + `"}`
		expectAPIRefusal(t, d, d.APIRequest(&acme, forge.ES256(d.SigningKey, head, good)), badToken("type_refused"))
	})
}

// TestClaimsInTheLogAreMarkedUnverified looks at what the operator reads about a
// forged token.
func TestClaimsInTheLogAreMarkedUnverified(t *testing.T) {
	clause.Covers(t, "RFC6750-5-2")
	d, acme := victim(t)
	token := forge.ES256(forge.NewKey(), header(d), goodClaims(d, acme).with("client_id", "root").String())
	resp, line := expectAPIRefusal(t, d, d.APIRequest(&acme, token), badToken("signature_invalid"))
	if line["claims_unverified"] != true || line.Text("client_id") != "" {
		t.Errorf("claims nobody vouches for stand in the log as if they were verified: %v", line)
	}
	expectNoToken(t, d, resp, token)
}

// TestHostileTokensAreCheap bounds the work before a signature is looked at. The
// bound is generous; what it catches is quadratic.
func TestHostileTokensAreCheap(t *testing.T) {
	clause.Covers(t, "RFC8725-3-3", "CERTBOUND-2")
	d, acme := victim(t)
	good := strings.TrimSuffix(goodClaims(d, acme).String(), "}")
	for name, token := range map[string]string{
		"dots":     strings.Repeat(".", 20000),
		"brackets": forged(d, text(good+`,"x":`+strings.Repeat("[", 6000)+strings.Repeat("]", 6000)+"}")),
		"members":  forged(d, text(good+strings.Repeat(`,"a":1`, 2500)+"}")),
		"digits":   forged(d, text(strings.Replace(good, `"exp":`, `"exp":1`+strings.Repeat("0", 9000)+`,"exp2":`, 1)+"}")),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			resp := d.CallAPI(t, &acme, token)
			if resp.Status == http.StatusOK || time.Since(began) > 10*time.Second {
				t.Errorf("%s after %s", resp, time.Since(began))
			}
		})
	}
}
