package conformance

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// madeIssuer publishes what the test wants, and remembers what it was asked.
type madeIssuer struct {
	*httptest.Server
	metadata map[string]any
	keys     []any
	mu       sync.Mutex
	asked    []string // path and query
}

// newMadeIssuer serves with a certificate of the site, as the issuer of its proxy.
func newMadeIssuer(t *testing.T, site *harness.Site, keys ...any) *madeIssuer {
	t.Helper()
	m := &madeIssuer{keys: keys}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(m.serve))
	m.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{site.CA.Server(t).TLS()}, ClientAuth: tls.RequestClientCert}
	m.StartTLS()
	t.Cleanup(m.Close)
	m.metadata = map[string]any{"issuer": m.URL, "jwks_uri": m.URL + "/jwks", "token_endpoint": m.URL + "/token"}
	site.Issuer, site.ProxyCfg["issuer"] = m.URL, m.URL
	return m
}

func (m *madeIssuer) serve(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked = append(m.asked, r.URL.RequestURI())
	m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	var out any
	switch r.URL.Path {
	case metadataPath:
		out = m.metadata
	case "/jwks":
		out = map[string]any{"keys": m.keys}
	case "/token":
		out = map[string]any{"access_token": "token-of-" + r.Host, "token_type": "Bearer", "expires_in": 300}
	}
	_ = json.NewEncoder(w).Encode(out) // to a caller that is gone
}

// count is how often a path was asked.
func (m *madeIssuer) count(path string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, uri := range m.asked {
		if uri == path {
			n++
		}
	}
	return n
}

// jwkOf is the public key as a JWK with that kid, and more members.
func jwkOf(t *testing.T, key *ecdsa.PrivateKey, kid string, more ...string) map[string]any {
	t.Helper()
	var jwk map[string]any
	if err := json.Unmarshal([]byte(forge.PublicJWK(key)), &jwk); err != nil {
		t.Fatal(err)
	}
	jwk["kid"] = kid
	for i := 0; i+1 < len(more); i += 2 {
		jwk[more[i]] = more[i+1]
	}
	return jwk
}

func rsaJWK(n *big.Int, e int64, kid string) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "RSA", "n": b64(n.Bytes()), "e": b64(big.NewInt(e).Bytes()), "kid": kid, "alg": "RS256", "use": "sig"}
}

func headOf(alg, kid string) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, kid)
}

// rs256 signs with PKCS #1 v1.5.
func rs256(t *testing.T, key crypto.Signer, kid string, payload fmt.Stringer) string {
	t.Helper()
	input := forge.Encode(headOf("RS256", kid), payload.String())
	digest := sha256.Sum256([]byte(input))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// rsaWithExponentOne needs no key: the padded digest is its own signature.
func rsaWithExponentOne(size int, kid string, payload fmt.Stringer) string {
	input := forge.Encode(headOf("RS256", kid), payload.String())
	digest := sha256.Sum256([]byte(input))
	info := append([]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}, digest[:]...)
	padded := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(info)), []byte{0}, info)
	return input + "." + base64.RawURLEncoding.EncodeToString(padded)
}

// TestKeysOfTheIssuer: one good key among those that must not verify anything.
func TestKeysOfTheIssuer(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7517-5", "RFC7517-4-2", "RFC7518-3-3", "RFC8725-3-4")
	site := harness.NewSite(t, newUpstream(t).URL)
	good, other, bad := forge.NewKey(), forge.NewKey(), forge.NewKey()
	small := keystest.SelfSigned(t, keystest.RSA(1024)).Key.(*rsa.PrivateKey)
	large := keystest.SelfSigned(t, keystest.RSA(2048)).Key.(*rsa.PrivateKey)
	offCurve := jwkOf(t, other, "off-curve")
	offCurve["y"] = jwkOf(t, bad, "")["y"]
	private := jwkOf(t, other, "private")
	private["d"] = base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	operations := jwkOf(t, other, "operations")
	delete(operations, "use")
	operations["key_ops"] = []string{"encrypt"}
	newMadeIssuer(t, site,
		17, "text", nil, []any{}, map[string]any{}, map[string]any{"kty": "wat", "kid": "wat"}, map[string]any{"kty": "EC", "crv": "P-999", "kid": "curve"},
		map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte("secret")), "kid": "secret", "alg": "HS256"},
		jwkOf(t, other, "for encryption", "use", "enc"), operations, offCurve, private,
		rsaJWK(small.N, 65537, "small"), rsaJWK(large.N, 1, "exponent one"), rsaJWK(large.N, 65537, "large"),
		jwkOf(t, good, "good"),
	)
	d := site.StartProxy(t)
	one := site.Client(t, "one")
	payload := goodClaims(d, one)
	expectServed(t, d, d.CallAPI(t, &one, forge.ES256(good, headOf("ES256", "good"), payload.String())))
	expectServed(t, d, d.CallAPI(t, &one, rs256(t, large, "large", payload)))
	for name, token := range map[string]string{
		"symmetric":             forge.HMAC("HS256", []byte("secret"), headOf("HS256", "secret"), payload.String()),
		"for encryption":        forge.ES256(other, headOf("ES256", "for encryption"), payload.String()),
		"for other operations":  forge.ES256(other, headOf("ES256", "operations"), payload.String()),
		"off its curve":         forge.ES256(other, headOf("ES256", "off-curve"), payload.String()),
		"private":               forge.ES256(other, headOf("ES256", "private"), payload.String()),
		"RSA 1024":              rs256(t, small, "small", payload),
		"RSA with exponent one": rsaWithExponentOne(256, "exponent one", payload),
		"good key, another kid": forge.ES256(good, headOf("ES256", "large"), payload.String()),
	} {
		t.Run(name, func(t *testing.T) {
			response := d.CallAPI(t, &one, token)
			reason := reasonOf(response)
			if !slices.Contains([]string{"key_unknown", "signature_invalid", "algorithm_refused"}, reason) {
				t.Fatalf("%s", response)
			}
			expectRefusal(t, d, response, badToken(reason))
		})
	}
}

// TestUnknownKeysAreNoStorm: made-up kids do not make the proxy ask the issuer each
// time, and good tokens are served meanwhile.
func TestUnknownKeysAreNoStorm(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-3")
	site := harness.NewSite(t, newUpstream(t).URL)
	good := forge.NewKey()
	issuer := newMadeIssuer(t, site, jwkOf(t, good, "good"))
	d := site.StartProxy(t)
	one := site.Client(t, "one")
	payload := goodClaims(d, one)
	genuine := forge.ES256(good, headOf("ES256", "good"), payload.String())
	for i := range 60 {
		made := forge.ES256(forge.NewKey(), headOf("ES256", fmt.Sprintf("made up %d", i)), payload.String())
		expectRefusal(t, d, d.CallAPI(t, &one, made), badToken("key_unknown"))
		expectServed(t, d, d.CallAPI(t, &one, genuine))
	}
	if n := issuer.count("/jwks"); n < 1 || n > 5 {
		t.Errorf("the issuer's keys were fetched %d times", n)
	}
}

// TestIssuerThatIsAnother: metadata that names another issuer, however little it
// differs, or keys at a place that is not https, are used by neither half.
func TestIssuerThatIsAnother(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC8414-3-3-b", "RFC8414-6-2")
	for name, change := range map[string]func(*madeIssuer){
		"another host": func(m *madeIssuer) { m.metadata["issuer"] = "https://evil.test" },
		"a slash more": func(m *madeIssuer) { m.metadata["issuer"] = m.URL + "/" },
		"other case":   func(m *madeIssuer) { m.metadata["issuer"] = strings.Replace(m.URL, "https", "HTTPS", 1) },
		"no issuer":    func(m *madeIssuer) { delete(m.metadata, "issuer") },
		"keys over http": func(m *madeIssuer) {
			m.metadata["jwks_uri"] = strings.Replace(m.URL, "https", "http", 1) + "/jwks"
			m.metadata["token_endpoint"] = strings.Replace(m.URL, "https", "http", 1) + "/token"
		},
	} {
		t.Run(name, func(t *testing.T) {
			site := harness.NewSite(t, newUpstream(t).URL)
			key := forge.NewKey()
			issuer := newMadeIssuer(t, site, jwkOf(t, key, "good"))
			change(issuer)
			d := site.StartProxy(t)
			one := site.Client(t, "one")
			token := forge.ES256(key, headOf("ES256", "good"), goodClaims(d, one).String())
			expectRefusal(t, d, d.CallAPI(t, &one, token), refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "issuer_keys_unavailable", ""})
			if result := tokenCommand(t, site, one); result.Code == 0 || result.Stdout != "" {
				t.Errorf("certbound token: code %d, %q", result.Code, result.Stdout)
			}
			if n := issuer.count("/token") + issuer.count("/jwks"); n != 0 {
				t.Errorf("it was believed: %v", issuer.asked)
			}
		})
	}
}

// tokenCommand runs `certbound token` with the certificate.
func tokenCommand(t *testing.T, site *harness.Site, pair keystest.Pair) harness.Result {
	t.Helper()
	cert, key := pair.WriteFiles(t, site.Dir, "client")
	return harness.Run(t, "token", "--issuer", site.Issuer, "--client-id", "one", "--cert", cert, "--key", key, "--ca", site.CA.WriteFile(t, site.Dir, "ca"))
}

// TestClientPrefersTheAlias: the plain endpoint is for others.
func TestClientPrefersTheAlias(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC8705-5-b", "RFC9700-4-3-2")
	site := harness.NewSite(t, "http://127.0.0.1:1")
	alias := newMadeIssuer(t, site)
	issuer := newMadeIssuer(t, site)
	issuer.metadata["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": alias.URL + "/token"}
	result := tokenCommand(t, site, site.Client(t, "one"))
	if want := "token-of-" + strings.TrimPrefix(alias.URL, "https://"); result.Code != 0 || strings.TrimSpace(result.Stdout) != want {
		t.Errorf("code %d, %q, want %q\n%s", result.Code, result.Stdout, want, result.Stderr)
	}
	if issuer.count("/token") != 0 || !slices.Equal(alias.asked, []string{"/token"}) {
		t.Errorf("asked: %v, alias %v", issuer.asked, alias.asked)
	}
}
