package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// claims is the payload of a token to forge.
type claims map[string]any

// goodClaims are those of a token that the proxy accepts from that certificate.
// Each attack changes one thing about them.
func goodClaims(d *harness.Dev, pair keystest.Pair) claims {
	now := time.Now().Unix()
	return claims{
		"iss": d.Issuer, "aud": d.Audience, "sub": "acme-billing", "client_id": "acme-billing",
		"iat": now, "exp": now + 300, "jti": fmt.Sprintf("forged-%d", time.Now().UnixNano()),
		"scope": "accounts:read", "partner": "acme", "gen": 1,
		"cnf": map[string]any{"x5t#S256": thumbprintOf(pair)},
	}
}

// thumbprintOf is the x5t#S256 of RFC 8705 §3.1, computed here and not by the
// code under test.
func thumbprintOf(pair keystest.Pair) string {
	digest := sha256.Sum256(pair.Cert.Raw)
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// with returns a copy with one claim changed; nil removes it.
func (c claims) with(name string, value any) claims {
	c = maps.Clone(c)
	c[name] = value
	if value == nil {
		delete(c, name)
	}
	return c
}

func (c claims) String() string {
	out, err := json.Marshal(map[string]any(c))
	if err != nil {
		panic(err)
	}
	return string(out)
}

// header is the one our authorization server writes.
func header(d *harness.Dev) string {
	return fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":"at+jwt"}`, forge.KeyID(d.SigningKey))
}

// forged signs a payload with the server's own key, as only a test can.
func forged(d *harness.Dev, payload fmt.Stringer) string {
	return forge.ES256(d.SigningKey, header(d), payload.String())
}

// text is a payload as it is.
type text string

func (s text) String() string { return string(s) }

// issued returns a token from the token endpoint, decoded.
func issued(t *testing.T, compact string) (header, payload map[string]any) {
	t.Helper()
	h, p, err := forge.Decode(compact)
	if err != nil {
		t.Fatal(err)
	}
	for raw, into := range map[string]*map[string]any{h: &header, p: &payload} {
		if err := json.Unmarshal([]byte(raw), into); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
	}
	return header, payload
}

// victim is the client whose token the tests steal, and what it needs.
func victim(t *testing.T) (*harness.Dev, keystest.Pair) {
	t.Helper()
	d := harness.Shared(t)
	return d, d.Pair(t, "acme-billing")
}

// describe names a value in a test's name.
func describe(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(out)
}

func decodeToken(t *testing.T, resp *harness.Response) harness.Token {
	t.Helper()
	var token harness.Token
	if err := json.Unmarshal(resp.Body, &token); err != nil {
		t.Fatalf("%v in %s", err, resp)
	}
	return token
}

func keystestSubjectDN() keystest.Option { return keystest.Subject(harness.SubjectDNName()) }
