package accesstoken_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

const goodHeader = `{"alg":"ES256","kid":"k1","typ":"at+jwt"}`

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func compact(header string) string { return encode(header) + "." + encode("{}") + "." + encode("sig") }

func TestDecode(t *testing.T) {
	token := compact(goodHeader)
	c, err := accesstoken.Decode(token)
	if err != nil {
		t.Fatal(err)
	}
	if want := (accesstoken.Header{Algorithm: "ES256", Type: "at+jwt", KeyID: "k1"}); c.Header != want {
		t.Errorf("header %+v, want %+v", c.Header, want)
	}
	if string(c.Payload) != "{}" {
		t.Errorf("payload %q", c.Payload)
	}
	c, err = accesstoken.Decode(compact(`{"alg":"RS256","kid":"k","x5t":"whatever","unknown":[1]}`))
	if err != nil || c.Header.Type != "" {
		t.Errorf("no typ and unknown parameters: %+v, %v", c, err)
	}
}

func TestDecodeRefusesForms(t *testing.T) {
	token := compact(goodHeader)
	for name, bad := range map[string]string{
		"empty":                   "",
		"one part":                encode(goodHeader),
		"two parts":               encode(goodHeader) + "." + encode("{}"),
		"four parts":              token + ".",
		"five parts, a JWE":       token + "." + encode("x") + "." + encode("y"),
		"dots only":               strings.Repeat(".", 8000),
		"too long":                token + strings.Repeat("A", accesstoken.MaxSize),
		"padded":                  encode(goodHeader) + "." + encode("{}") + "." + encode("sign") + "==",
		"standard alphabet":       encode(goodHeader) + "." + encode("{}") + ".+/+/",
		"newline in the header":   "\n" + token,
		"newline at the end":      token + "\n",
		"CRLF in the payload":     strings.Replace(token, ".", ".\r\n", 1),
		"blank":                   token + " ",
		"trailing bits":           encode(goodHeader) + "." + encode("{}") + ".QR", // QQ is canonical
		"trailing bits, payload":  encode(goodHeader) + ".e31." + encode("sig"),    // e30 is canonical
		"JSON serialization":      `{"protected":"` + encode(goodHeader) + `","payload":"e30","signature":"AA"}`,
		"header not JSON":         compact("header"),
		"header null":             compact("null"),
		"header an array":         compact("[" + goodHeader + "]"),
		"header twice":            compact(goodHeader + goodHeader),
		"header with a BOM":       compact("\ufeff" + goodHeader),
		"header not UTF-8":        compact(strings.Replace(goodHeader, "k1", "k\xff", 1)),
		"header in UTF-16":        compact("{\x00\"\x00a\x00l\x00g\x00\"\x00"),
		"alg twice":               compact(`{"alg":"none",` + goodHeader[1:]),
		"kid twice":               compact(`{"kid":"k0",` + goodHeader[1:]),
		"typ twice":               compact(`{"typ":"JWT",` + goodHeader[1:]),
		"no alg":                  compact(`{"kid":"k1","typ":"at+jwt"}`),
		"ALG":                     compact(`{"ALG":"ES256","kid":"k1","typ":"at+jwt"}`),
		"alg null":                compact(`{"alg":null,"kid":"k1","typ":"at+jwt"}`),
		"alg an array":            compact(`{"alg":["ES256"],"kid":"k1","typ":"at+jwt"}`),
		"kid empty":               compact(`{"alg":"ES256","kid":"","typ":"at+jwt"}`),
		"kid a number":            compact(`{"alg":"ES256","kid":1,"typ":"at+jwt"}`),
		"kid too long":            compact(`{"alg":"ES256","kid":"` + strings.Repeat("k", 257) + `","typ":"at+jwt"}`),
		"header deep in brackets": compact(strings.Repeat("[", 5000)),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := accesstoken.Decode(bad); c != nil || !errors.Is(err, accesstoken.ErrMalformed) {
				t.Errorf("got %+v, %v", c, err)
			}
		})
	}
}

func TestDecodeRefusesParameters(t *testing.T) {
	for name, value := range map[string]string{
		"jwk": `{"kty":"EC"}`, "jku": `"https://evil.example"`, "x5u": `"https://evil.example"`, "x5c": `["AA"]`,
		"crit": `["exp"]`, "b64": "false", "zip": `"DEF"`, "enc": `"A256GCM"`, "cty": `"JWT"`,
	} {
		for _, v := range []string{value, "null", "[]"} {
			_, err := accesstoken.Decode(compact(`{"` + name + `":` + v + `,` + goodHeader[1:]))
			want := "accesstoken: malformed: header parameter " + name + " is not accepted"
			if err == nil || err.Error() != want {
				t.Errorf("%s %s: got %v, want %s", name, v, err, want)
			}
		}
	}
}

func TestIsType(t *testing.T) {
	for _, typ := range []string{"at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"} {
		if !accesstoken.IsType(typ) {
			t.Errorf("%q refused", typ)
		}
	}
	for _, typ := range []string{
		"", "jwt", "JWT", "application/jwt", "at jwt", "at+jwt ", " at+jwt", "at+jwt;v=1", "text/at+jwt", "application/application/at+jwt",
		"rt+jwt", "id+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "token-introspection+jwt", "client-authentication+jwt",
		"certbound-revocations+jwt", "at+jwts", "at-jwt", "at+jwt\x00",
	} {
		if accesstoken.IsType(typ) {
			t.Errorf("%q accepted", typ)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(compact(goodHeader))
	f.Add(compact(`{"crit":[]}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := accesstoken.Decode(token)
		if err != nil {
			return
		}
		if c.Header.Algorithm == "" || len(token) > accesstoken.MaxSize {
			t.Fatalf("accepted %q as %+v", token, c.Header)
		}
		// One token has one spelling.
		if parts := strings.Split(token, "."); len(parts) != 3 || parts[1] != base64.RawURLEncoding.EncodeToString(c.Payload) {
			t.Fatalf("%q is not canonical", token)
		}
	})
}
