package issued

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

const issuer = "https://as.example"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// ring is public keys by kid.
type ring map[string]jose.JSONWebKey

func (r ring) PublicKey(kid string) (jose.JSONWebKey, bool) {
	key, ok := r[kid]
	return key, ok
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newVerifier(t *testing.T, key *ecdsa.PrivateKey) *Verifier {
	t.Helper()
	v, err := New(Config{Issuer: issuer, Clock: func() time.Time { return now }, Keys: ring{
		"k1":    {Key: &key.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"},
		"other": {Key: &key.PublicKey, KeyID: "other", Algorithm: "RS256", Use: "sig"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func claims() *accesstoken.Claims {
	return &accesstoken.Claims{
		Issuer: issuer, Subject: "a", ClientID: "a", Audience: []string{"https://api.example"}, ID: "j1", Partner: "acme",
		IssuedAt: now, Expiry: now.Add(time.Minute), Scopes: []string{"read"}, Thumbprint: thumbprint.Thumbprint{1}, Generation: 2,
	}
}

func payload(t *testing.T, c *accesstoken.Claims) string {
	t.Helper()
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sign makes a compact JWS of any payload.
func sign(t *testing.T, key any, alg jose.SignatureAlgorithm, kid, typ, payload string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestVerify(t *testing.T) {
	key := newKey(t)
	v := newVerifier(t, key)
	var e decision.Evidence
	token, refusal := v.Verify(sign(t, key, jose.ES256, "k1", "at+jwt", payload(t, claims())), &e)
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	if token.KeyID != "k1" || token.ID != "j1" || token.ClientID != "a" || token.Generation != 2 || token.Thumbprint != (thumbprint.Thumbprint{1}) {
		t.Errorf("%+v", token)
	}
	if e.TokenID != "j1" || e.KeyID != "k1" || e.Issuer != issuer || e.Audience != "https://api.example" || e.ClaimsUnverified {
		t.Errorf("evidence %+v", e)
	}
}

func TestVerifyRefuses(t *testing.T) {
	key := newKey(t)
	v := newVerifier(t, key)
	good := payload(t, claims())
	changed := func(change func(*accesstoken.Claims)) string {
		c := claims()
		change(c)
		return sign(t, key, jose.ES256, "k1", "at+jwt", payload(t, c))
	}
	hmac := []byte(strings.Repeat("k", 32))
	for _, c := range []struct {
		name, token string
		want        decision.Reason
		signed      bool // the evidence may name what the signature covers
	}{
		{"empty", "", decision.TokenMalformed, false},
		{"two parts", "a.b", decision.TokenMalformed, false},
		{"another typ", sign(t, key, jose.ES256, "k1", "jwt", good), decision.TypeRefused, false},
		{"the feed's typ", sign(t, key, jose.ES256, "k1", "certbound-revocations+jwt", good), decision.TypeRefused, false},
		{"unknown kid", sign(t, key, jose.ES256, "k2", "at+jwt", good), decision.KeyUnknown, false},
		{"no kid", sign(t, key, jose.ES256, "", "at+jwt", good), decision.KeyUnknown, false},
		{"HMAC under our kid", sign(t, hmac, jose.HS256, "k1", "at+jwt", good), decision.AlgorithmRefused, false},
		{"an algorithm that is not the key's", sign(t, key, jose.ES256, "other", "at+jwt", good), decision.AlgorithmRefused, false},
		{"another's key under our kid", sign(t, newKey(t), jose.ES256, "k1", "at+jwt", good), decision.SignatureInvalid, false},
		{"no claims", sign(t, key, jose.ES256, "k1", "at+jwt", `{}`), decision.TokenMalformed, false},
		{"a claim twice", sign(t, key, jose.ES256, "k1", "at+jwt", `{"jti":"x",`+good[1:]), decision.TokenMalformed, false},
		{"unbound", sign(t, key, jose.ES256, "k1", "at+jwt", good[:strings.Index(good, `,"cnf"`)]+good[strings.Index(good, `,"partner"`):]), decision.TokenUnbound, false},
		{"another issuer", changed(func(c *accesstoken.Claims) { c.Issuer += "/" }), decision.IssuerMismatch, true},
		{"expired now", changed(func(c *accesstoken.Claims) { c.IssuedAt, c.Expiry = now.Add(-time.Minute), now }), decision.TokenExpired, true},
		{"not yet", changed(func(c *accesstoken.Claims) { c.NotBefore = now.Add(time.Second) }), decision.TokenNotYetValid, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e decision.Evidence
			token, refusal := v.Verify(c.token, &e)
			if refusal == nil || refusal.Reason != c.want || token != nil {
				t.Fatalf("%+v, %+v; want %s", token, refusal, c.want)
			}
			if (e.TokenID != "") != c.signed {
				t.Errorf("evidence names the token %q", e.TokenID)
			}
		})
	}
	// An instance whose clock is ahead has issued it.
	if _, refusal := v.Verify(changed(func(c *accesstoken.Claims) { c.IssuedAt = now.Add(time.Second) }), &decision.Evidence{}); refusal != nil {
		t.Errorf("issued a second ahead: %+v", refusal)
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Config{}); err == nil || err.Error() != "issued: Config needs Issuer, Keys and Clock" {
		t.Errorf("New: %v", err)
	}
}
