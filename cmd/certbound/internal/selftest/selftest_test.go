package selftest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/cmd/certbound/internal/selftest"
	"github.com/certbound/certbound/keys/thumbprint"
)

func TestGoodDeployment(t *testing.T) {
	if holes := newWorld(t, loose{}).holes(t); len(holes) > 0 {
		t.Errorf("holes %v", holes)
	}
}

// signed verifies the signature with the issuer's key, and nothing else.
func signed(w *world, token string) ([]byte, bool) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, false
	}
	payload, err := jws.Verify(&w.key.PublicKey)
	return payload, err == nil
}

// confirmed compares cnf with the certificate, and nothing else.
func confirmed(payload []byte, r *http.Request) bool {
	var claims struct {
		Confirmation map[string]string `json:"cnf"`
	}
	if json.Unmarshal(payload, &claims) != nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	return claims.Confirmation["x5t#S256"] == thumbprint.Of(r.TLS.PeerCertificates[0]).String()
}

// payloadOf reads a token that nobody has verified.
func payloadOf(token string, key any, algorithms ...jose.SignatureAlgorithm) ([]byte, bool) {
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, false
	}
	if key == nil {
		return jws.UnsafePayloadWithoutVerification(), true
	}
	payload, err := jws.Verify(key)
	return payload, err == nil
}

// TestBrokenDeployments loosens one screw at a time; each must be found by name,
// and nothing else with it but what the same screw holds.
func TestBrokenDeployments(t *testing.T) {
	for name, c := range map[string]struct {
		loose loose
		want  string // probes
	}{
		"a proxy that ignores cnf": {loose{verify: func(w *world, r *http.Request) bool {
			_, ok := signed(w, bearer(r))
			return ok
		}}, "proxy.by_client proxy.namesake proxy.no_certificate proxy.other_client proxy.self_signed"},
		"a proxy that wants any certificate": {loose{verify: func(w *world, r *http.Request) bool {
			_, ok := signed(w, bearer(r))
			return ok && len(r.TLS.PeerCertificates) > 0
		}}, "proxy.by_client proxy.namesake proxy.other_client proxy.self_signed"},
		"a proxy that skips the signature": {loose{verify: func(_ *world, r *http.Request) bool {
			payload, ok := payloadOf(bearer(r), nil, jose.ES256)
			return ok && confirmed(payload, r)
		}}, "forged.cnf_changed forged.embedded_key forged.exp_changed forged.kid_changed forged.kid_missing forged.signature_changed forged.signature_missing forged.stranger_key forged.typ_changed"},
		"a proxy that believes alg none": {loose{verify: func(w *world, r *http.Request) bool {
			token := bearer(r)
			if head, _, _ := strings.Cut(token, "."); strings.HasSuffix(token, ".") && strings.Contains(strings.ToLower(decoded(head)), `"none"`) {
				payload := decoded(strings.Split(token, ".")[1])
				return confirmed([]byte(payload), r)
			}
			payload, ok := signed(w, token)
			return ok && confirmed(payload, r)
		}}, "forged.alg_none forged.alg_none_case"},
		"a proxy that takes the public key for a secret": {loose{verify: func(w *world, r *http.Request) bool {
			payload, ok := signed(w, bearer(r))
			der, _ := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
			if !ok {
				payload, ok = payloadOf(bearer(r), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jose.HS256)
			}
			return ok && confirmed(payload, r)
		}}, "forged.hs256_public_key_1"},
		"a proxy that takes the key from the token": {loose{verify: func(w *world, r *http.Request) bool {
			payload, ok := signed(w, bearer(r))
			if jws, err := jose.ParseSignedCompact(bearer(r), []jose.SignatureAlgorithm{jose.ES256}); !ok && err == nil && jws.Signatures[0].Protected.JSONWebKey != nil {
				payload, ok = payloadOf(bearer(r), jws.Signatures[0].Protected.JSONWebKey, jose.ES256)
			}
			return ok && confirmed(payload, r)
		}}, "forged.embedded_key"},
		"a proxy that forwards identity headers":     {loose{identityHeaders: true}, "proxy.identity_headers"},
		"a proxy that reads tokens in the query":     {loose{queryToken: true}, "proxy.query_token"},
		"a proxy that takes the first of two tokens": {loose{firstOfTwo: true}, "proxy.two_tokens"},
		"a proxy that cleans paths":                  {loose{clean: true}, "path.dot_segment path.double_slash path.encoded_dots path.encoded_letter path.encoded_slash path.parent_segment"},
		"a proxy that folds the case of methods":     {loose{anyMethodCase: true}, "proxy.method_case"},
		"a proxy that lets every method through":     {loose{anyMethod: true}, "proxy.method_case proxy.method_unlisted"},
		"a proxy that wants no token":                {loose{noToken: true}, "proxy.no_token proxy.query_token"},

		"an AS that issues unbound tokens":  {loose{unbound: true}, "proxy.by_client proxy.namesake proxy.no_certificate proxy.other_client proxy.self_signed token.bound"},
		"an AS that goes by the name":       {loose{anyCertificate: true}, "token.by_client token.ca_true token.expired token.namesake token.namesake_alone token.other_client token.self_signed token.v1"},
		"an AS that wants no certificate":   {loose{noCertificate: true}, "token.no_certificate"},
		"an AS that takes the first of two": {loose{repeated: true}, "token.repeated_client_id token.repeated_grant_type"},
		"an AS that takes GET":              {loose{get: true}, "token.get"},
		"an AS that reads the query":        {loose{query: true}, "token.query"},
		"an AS that reads multipart":        {loose{multipart: true}, "token.multipart"},
		"an AS that reads JSON":             {loose{json: true}, "token.json"},
		"an AS that passes over a secret":   {loose{basic: true}, "token.basic_secret"},
		"an AS with a secret instead":       {loose{basic: true, noCertificate: true}, "token.basic_secret token.basic_secret_alone token.no_certificate"},
		"open introspection":                {loose{openIntrospection: true}, "introspection.no_certificate"},
		"open revocation":                   {loose{openRevocation: true}, "revocation.no_certificate"},
		"a private key in the set":          {loose{privateKey: true}, "jwks.public"},
		"metadata of another issuer":        {loose{metadata: map[string]any{"issuer": "https://evil.example"}}, "metadata.issuer"},
		"metadata without binding":          {loose{metadata: map[string]any{"tls_client_certificate_bound_access_tokens": false}}, "metadata.bound"},
		"metadata with secrets":             {loose{metadata: map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}}, "metadata.methods"},

		"old TLS": {loose{tls: func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }},
			"tls.issuer.1_0 tls.issuer.1_1 tls.issuer.1_2_weak tls.proxy.1_0 tls.proxy.1_1 tls.proxy.1_2_weak"},
		"session tickets": {loose{tls: func(c *tls.Config) { c.SessionTicketsDisabled = false }}, "tls.issuer.resumption tls.proxy.resumption"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(newWorld(t, c.loose).holes(t), " "); got != c.want {
				t.Errorf("holes\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// decoded is a part of a token as text.
func decoded(part string) string {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return ""
	}
	return string(text)
}

// TestNothingIsTestedWhenTheGoodCallsFail: a deployment that refuses everybody
// refuses every attack, too.
func TestNothingIsTestedWhenTheGoodCallsFail(t *testing.T) {
	broken := newWorld(t, loose{breaks: true})
	if _, err := selftest.Run(t.Context(), broken.config()); err == nil || !strings.Contains(err.Error(), "calls the API with it") {
		t.Errorf("%v", err)
	}
	good := newWorld(t, loose{})
	for want, change := range map[string]func(*selftest.Config){
		"the client gets a token":            func(c *selftest.Config) { c.ClientID = "nobody" },
		"the issuer's metadata":              func(c *selftest.Config) { c.RootCAs = x509.NewCertPool() },
		`the issuer "http://as" is not`:      func(c *selftest.Config) { c.Issuer = "http://as" },
		`the path "/a?b" is not`:             func(c *selftest.Config) { c.Path = "/a?b" },
		"the client id is missing":           func(c *selftest.Config) { c.ClientID = "" },
		"certificate and key are missing":    func(c *selftest.Config) { c.Certificate = tls.Certificate{} },
		"choose a path that this client may": func(c *selftest.Config) { c.Path = "/elsewhere" },
	} {
		c := good.config()
		change(&c)
		if _, err := selftest.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestReportText(t *testing.T) {
	w := newWorld(t, loose{unbound: true})
	c := w.config()
	c.Other = nil
	report, err := selftest.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"HOLE", "a token that is stolen can be used by the thief", "5 holes, 0 unclear, 2 skipped"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, text.String())
		}
	}
	if report.Passed() || !slices.ContainsFunc(report.Results, func(r selftest.Result) bool { return r.Outcome == selftest.Skipped }) {
		t.Errorf("%+v", report)
	}
}
