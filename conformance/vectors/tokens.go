package vectors

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"time"

	"github.com/certbound/certbound/conformance/internal/forge"
)

// TokenFile is tokens.json and signatures.json.
type TokenFile struct {
	Format        string          `json:"format"`
	Description   string          `json:"description"`
	Issuer        string          `json:"issuer"`
	Audience      string          `json:"audience"`
	Scope         string          `json:"scope"`
	EvaluatedAt   time.Time       `json:"evaluated_at"`
	LeewaySeconds int             `json:"leeway_seconds"`
	JWKS          json.RawMessage `json:"jwks"`
	Certificates  []Certificate   `json:"certificates"`
	Cases         []TokenCase     `json:"cases"`
}

// TokenCase is a request: a token on a connection with a certificate.
type TokenCase struct {
	ID          string     `json:"id"`
	Certificate string     `json:"certificate,omitempty"` // by name; none when absent
	EvaluatedAt *time.Time `json:"evaluated_at,omitempty"`
	Token       string     `json:"token"`
	Verdict     string     `json:"verdict"`          // accept or refuse
	Reason      string     `json:"reason,omitempty"` // ours, of a refusal
}

const (
	issuer   = "https://as.vectors.test"
	audience = "https://api.vectors.test"
	scope    = "accounts:read"
	leeway   = 10
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// object is JSON with members in the order of their names.
type object map[string]any

func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

func (o object) text() string { return string(one(json.Marshal(map[string]any(o)))) }

// world is what the cases are made of.
type world struct {
	file   *TokenFile
	client Certificate
	rsa    *rsa.PrivateKey
}

func newWorld(description string) *world {
	w := &world{rsa: rsaKey("issuer RSA", 2048), client: mint("client", "the client the tokens are bound to", ecKey("client"), unchanged)}
	w.file = &TokenFile{
		Format: Format, Description: description, Issuer: issuer, Audience: audience, Scope: scope,
		EvaluatedAt: now, LeewaySeconds: leeway, Certificates: []Certificate{w.client},
	}
	var ec object
	must(json.Unmarshal([]byte(forge.PublicJWK(ecKey("issuer"))), &ec))
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	w.file.JWKS = json.RawMessage(object{"keys": []object{
		ec.with("kid", "es").with("alg", "ES256").with("use", "sig"),
		{"kty": "RSA", "kid": "rs", "alg": "RS256", "use": "sig", "n": number(w.rsa.N), "e": "AQAB"},
	}}.text())
	return w
}

func header() object { return object{"alg": "ES256", "kid": "es", "typ": "at+jwt"} }

func (w *world) claims() object {
	return object{
		"iss": issuer, "sub": "client", "client_id": "client", "aud": audience, "jti": "1", "scope": scope,
		"iat": now.Unix() - 60, "exp": now.Unix() + 240, "cnf": confirmation(x5t(w.client.raw.Raw)),
	}
}

func confirmation(thumbprint string) object { return object{"x5t#S256": thumbprint} }

func es256(header, payload string) string {
	input := forge.Encode(header, payload)
	return forge.Signed(input, forge.SignES256(ecKey("issuer"), input))
}

// add puts a case with the client's certificate; without a reason it is accepted.
func (w *world) add(id, token, reason string) *TokenCase {
	c := TokenCase{ID: id, Certificate: "client", Token: token, Verdict: "refuse", Reason: reason}
	if reason == "" {
		c.Verdict = "accept"
	}
	w.file.Cases = append(w.file.Cases, c)
	return &w.file.Cases[len(w.file.Cases)-1]
}

// claim puts a case whose payload differs in one claim.
func (w *world) claim(id, name string, value any, reason string) {
	w.add(id, es256(header().text(), w.claims().with(name, value).text()), reason)
}

func tokens() *TokenFile {
	w := newWorld("Access tokens and the certificates they are used with: binding, claims, times and header. A case holds for a resource server with this issuer, audience, scope, leeway, keys and time.")
	w.hands()
	w.confirmations()
	w.contents()
	w.times()
	w.headers()
	return w.file
}

// hands uses one good token with several certificates.
func (w *world) hands() {
	token := es256(header().text(), w.claims().text())
	w.add("good", token, "")
	w.add("good-rs256", forge.RS256(w.rsa, header().with("alg", "RS256").with("kid", "rs").text(), w.claims().text()), "")
	w.add("no-certificate", token, "certificate_missing").Certificate = ""
	with := func(c Certificate, token, reason string) {
		w.file.Certificates = append(w.file.Certificates, c)
		w.add(c.Name, token, reason).Certificate = c.Name
	}
	with(mint("another-client", "valid, of the same authority", ecKey("other"), func(c *x509.Certificate) { c.Subject.CommonName = "other" }), token, "thumbprint_mismatch")
	with(mint("same-subject", "the client's names on another key", ecKey("thief"), unchanged), token, "thumbprint_mismatch")
	with(mint("renewed-same-key", "the client's names and key, another serial number", ecKey("client"), unchanged), token, "thumbprint_mismatch")
	own := func(c Certificate, reason string) {
		with(c, es256(header().text(), w.claims().with("cnf", confirmation(x5t(c.raw.Raw))).text()), reason)
	}
	own(mint("rsa-2048", "an RSA key", rsaKey("client RSA", 2048), unchanged), "")
	own(mint("rsa-1024", "a key too weak to prove anything", rsaKey("weak", 1024), unchanged), "certificate_weak")
	own(mint("expired", "ended before the time of evaluation", ecKey("expired"), func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), "certificate_expired")
	own(mint("not-yet-valid", "begins after the time of evaluation", ecKey("early"), func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }), "certificate_not_yet_valid")
}

// confirmations write cnf in other ways.
func (w *world) confirmations() {
	cert := w.client.raw
	good := x5t(cert.Raw)
	octets := one(base64.RawURLEncoding.DecodeString(good))
	w.claim("cnf-absent", "cnf", nil, "token_unbound")
	w.claim("cnf-empty", "cnf", object{}, "token_unbound")
	w.claim("cnf-null", "cnf", json.RawMessage("null"), "token_malformed")
	w.claim("cnf-text", "cnf", good, "token_malformed")
	w.claim("cnf-jkt", "cnf", object{"jkt": good}, "token_unbound")
	w.claim("cnf-sha1", "cnf", object{"x5t": good}, "token_unbound")
	w.claim("cnf-letter-case", "cnf", object{"X5T#S256": good}, "token_unbound")
	w.claim("cnf-two-methods", "cnf", object{"x5t#S256": good, "jkt": good}, "token_malformed")
	for id, text := range ordered(map[string]string{
		"hex": hex.EncodeToString(octets), "padded": base64.URLEncoding.EncodeToString(octets), "cut": good[:42], "longer": good + "A", "empty": "",
		"line-break": good[:20] + "\n" + good[20:], "hex-in-base64": base64.RawURLEncoding.EncodeToString([]byte(hex.EncodeToString(octets))),
	}) {
		w.claim("cnf-"+id, "cnf", confirmation(text), "token_malformed")
	}
	w.claim("cnf-of-public-key", "cnf", confirmation(x5t(cert.RawSubjectPublicKeyInfo)), "thumbprint_mismatch")
	w.claim("cnf-of-tbs-certificate", "cnf", confirmation(x5t(cert.RawTBSCertificate)), "thumbprint_mismatch")
	w.claim("cnf-of-pem", "cnf", confirmation(x5t([]byte(w.client.PEM))), "thumbprint_mismatch")
	w.claim("cnf-of-base64", "cnf", confirmation(x5t([]byte(base64.StdEncoding.EncodeToString(cert.Raw)))), "thumbprint_mismatch")
	w.claim("cnf-of-authority", "cnf", confirmation(x5t(authority.Raw)), "thumbprint_mismatch")
}

// contents are wrong in one claim.
func (w *world) contents() {
	w.claim("aud-list", "aud", []string{"https://other.vectors.test", audience}, "")
	w.claim("aud-other", "aud", "https://other.vectors.test", "audience_mismatch")
	w.claim("aud-slash", "aud", audience+"/", "audience_mismatch")
	w.claim("aud-absent", "aud", nil, "token_malformed")
	w.claim("aud-empty-list", "aud", []string{}, "token_malformed")
	w.claim("iss-other", "iss", "https://evil.vectors.test", "issuer_mismatch")
	w.claim("iss-slash", "iss", issuer+"/", "issuer_mismatch")
	w.claim("iss-http", "iss", "http://as.vectors.test", "issuer_mismatch")
	w.claim("scope-absent", "scope", nil, "scope_insufficient")
	w.claim("scope-letter-case", "scope", "Accounts:read", "scope_insufficient")
	w.claim("scope-part-of", "scope", "accounts:readwrite", "scope_insufficient")
	w.claim("scope-among-others", "scope", "x "+scope+" y", "")
	w.claim("scope-list", "scope", []string{scope}, "token_malformed")
	w.claim("client-id-absent", "client_id", nil, "token_malformed")
	w.claim("client-id-space-at-the-end", "client_id", "client ", "token_malformed")
	w.claim("jti-absent", "jti", nil, "token_malformed")
	w.claim("unknown-claim", "x", object{"y": 1}, "")
	twice := strings.Replace(w.claims().text(), "{", `{"exp":4102444800,`, 1)
	w.add("exp-twice", es256(header().text(), twice), "token_malformed")
}

// times are about the borders of exp, iat and nbf.
func (w *world) times() {
	token := es256(header().text(), w.claims().text())
	at := func(id string, when time.Time, reason string) { w.add(id, token, reason).EvaluatedAt = &when }
	exp, iat := now.Add(240*time.Second), now.Add(-60*time.Second)
	at("last-second", exp.Add(-time.Second), "")
	at("at-exp", exp, "token_expired") // RFC 7519 §4.1.4: on or after
	at("leeway-is-not-for-exp", exp.Add(5*time.Second), "token_expired")
	at("iat-at-the-leeway", iat.Add(-leeway*time.Second), "")
	at("iat-beyond-the-leeway", iat.Add(-(leeway+1)*time.Second), "token_not_yet_valid")
	w.claim("nbf-now", "nbf", now.Unix(), "")
	w.claim("nbf-beyond-the-leeway", "nbf", now.Unix()+leeway+1, "token_not_yet_valid")
	w.claim("exp-absent", "exp", nil, "token_malformed")
	w.claim("exp-text", "exp", fmt.Sprint(exp.Unix()), "token_malformed")
	w.claim("exp-milliseconds", "exp", exp.UnixMilli(), "token_malformed")
	w.claim("exp-fraction", "exp", json.RawMessage(fmt.Sprintf("%d.5", exp.Unix())), "token_malformed")
}

// headers differ in one member.
func (w *world) headers() {
	payload := w.claims().text()
	head := func(id, name string, value any, reason string) {
		w.add(id, es256(header().with(name, value).text(), payload), reason)
	}
	head("typ-in-full", "typ", "application/at+jwt", "")
	head("typ-jwt", "typ", "JWT", "type_refused")
	head("typ-absent", "typ", nil, "type_refused")
	head("kid-unknown", "kid", "other", "key_unknown")
	head("kid-of-the-other-key", "kid", "rs", "algorithm_refused")
	head("crit", "crit", []string{"exp"}, "token_malformed")
	head("jku", "jku", "https://evil.vectors.test/jwks.json", "token_malformed")
	head("alg-none-signed", "alg", "none", "algorithm_refused")
	head("alg-es384", "alg", "ES384", "algorithm_refused")
	w.add("alg-none", forge.Encode(header().with("alg", "none").text(), payload)+".", "algorithm_refused")
	hmacHead := header().with("alg", "HS256").text()
	w.add("alg-hs256-of-the-public-key", forge.HMAC("HS256", []byte(forge.PublicJWK(ecKey("issuer"))), hmacHead, payload), "algorithm_refused")
	thief := ecKey("thief of tokens")
	embedded := header().with("kid", nil).with("jwk", json.RawMessage(forge.PublicJWK(thief))).text()
	input := forge.Encode(embedded, payload)
	w.add("jwk-in-the-header", forge.Signed(input, forge.SignES256(thief, input)), "token_malformed")
	input = forge.Encode(header().text(), payload)
	w.add("signed-by-another-key", forge.Signed(input, forge.SignES256(thief, input)), "signature_invalid")
}
