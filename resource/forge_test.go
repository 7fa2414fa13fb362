package resource_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

const (
	issuerURL = "https://as.example"
	audience  = "https://api.example"
	keyID     = "k1"
)

// object is a JSON object that a test changes before it is signed.
type object map[string]any

// bench is an issuer whose key the test holds, a verifier that trusts it, and
// two partners with certificates of one CA.
type bench struct {
	key      *ecdsa.PrivateKey
	keys     jwks.Set
	now      time.Time
	ca       *keystest.CA
	acme     keystest.Pair
	mallory  keystest.Pair
	verifier *resource.Verifier
}

func newBench(t testing.TB, change ...func(*resource.Config)) *bench {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{key: key, now: time.Now().Truncate(time.Second)}
	b.keys = jwks.Set{{Key: &key.PublicKey, KeyID: keyID, Algorithm: "ES256", Use: "sig"}}
	b.ca = keystest.NewCA(t, "partners")
	b.acme = b.ca.Client(t, keystest.CommonName("acme"))
	b.mallory = b.ca.Client(t, keystest.CommonName("mallory"))
	config := resource.Config{
		Issuer: issuerURL, Audience: audience, Keys: b.keys,
		Clock: func() time.Time { return b.now }, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&config)
	}
	if b.verifier, err = resource.New(config); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) header() object { return object{"alg": "ES256", "typ": "at+jwt", "kid": keyID} }

func (b *bench) claims(pair keystest.Pair) object {
	return object{
		"iss": issuerURL, "sub": "acme-billing", "client_id": "acme-billing", "aud": audience, "jti": "one",
		"iat": b.now.Unix(), "exp": b.now.Add(5 * time.Minute).Unix(), "scope": "accounts:read", "partner": "acme", "gen": 1,
		"cnf": object{"x5t#S256": thumbprint.Of(pair.Cert).String()},
	}
}

// with copies the object and sets or, for nil, deletes a member.
func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

func (o object) text() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a compact ES256 JWS of any header and payload: a forger with the
// true key, who can get one thing wrong at a time.
func (b *bench) sign(header, payload string) string {
	input := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, b.key, digest[:])
	if err != nil {
		panic(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + encode(string(signature[:]))
}

// token is a good token of pair.
func (b *bench) token(pair keystest.Pair) string {
	return b.sign(b.header().text(), b.claims(pair).text())
}

// request is a GET with the token over a finished TLS connection of pair; nil
// for one without a certificate.
func request(token string, pair *keystest.Pair) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.example/accounts", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	if pair != nil {
		r.TLS.PeerCertificates = append([]*x509.Certificate{pair.Cert}, pair.Chain...)
	}
	return r
}

// reason is why err refuses, or "" when it does not.
func reason(t testing.TB, err error) decision.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var refusal *resource.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("not a Refusal: %v", err)
	}
	if refusal.Error() != "resource: "+string(refusal.Decision.Reason) {
		t.Errorf("error text %q", refusal)
	}
	if refusal.Decision.Allowed || refusal.Decision.RequestID == "" || refusal.Decision.Status < 400 {
		t.Errorf("not a refusal's decision: %+v", refusal.Decision)
	}
	return refusal.Decision.Reason
}

// twins runs the negative twins of a token that pair may use: without a
// certificate, with another of the same CA, and with pair's subject and another
// key.
func (b *bench) twins(t *testing.T, token string, pair keystest.Pair) {
	t.Helper()
	namesake := b.ca.Client(t, keystest.RawSubject(pair.Cert.RawSubject), keystest.SerialNumber(pair.Cert.SerialNumber))
	renewed := b.ca.Client(t, keystest.RawSubject(pair.Cert.RawSubject), keystest.WithKey(pair.Key))
	other := b.ca.Client(t, keystest.CommonName("other"))
	for name, tt := range map[string]struct {
		pair *keystest.Pair
		want decision.Reason
	}{
		"no certificate":                 {nil, decision.CertificateMissing},
		"another of the same CA":         {&other, decision.ThumbprintMismatch},
		"same subject, other key":        {&namesake, decision.ThumbprintMismatch},
		"renewed: same subject and key":  {&renewed, decision.ThumbprintMismatch},
		"another with the right in tow":  {&keystest.Pair{Cert: other.Cert, Chain: []*x509.Certificate{pair.Cert}}, decision.ThumbprintMismatch},
		"the owner's, to see it is good": {&pair, ""},
	} {
		_, err := b.verifier.VerifyRequest(request(token, tt.pair))
		if got := reason(t, err); got != tt.want {
			t.Errorf("twin %q: got %q, want %q", name, got, tt.want)
		}
	}
}

// joseKey is the issuer's public key as another JWK.
func (b *bench) joseKey(change func(*jose.JSONWebKey)) jwks.Set {
	key := b.keys[0]
	change(&key)
	return jwks.Set{key}
}
