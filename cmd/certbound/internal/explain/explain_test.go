package explain_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what others compute
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/explain"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/jwks"
)

const (
	issuer   = "https://as.example"
	audience = "https://api.example"
)

type object map[string]any

func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

// world is an issuer whose key the test holds, and a client with a certificate
// and the one before.
type world struct {
	key            *ecdsa.PrivateKey
	now            time.Time
	pair, previous keystest.Pair
	other          keystest.Pair // renewed with another key
	above          *keystest.CA
}

func newWorld(t testing.TB) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{key: key, now: time.Now().Truncate(time.Second)}
	w.above = keystest.NewCA(t, "root").Intermediate(t, "issuing")
	w.pair = w.above.Client(t)
	w.previous = w.above.Client(t, keystest.WithKey(w.pair.Key))
	w.other = w.above.Client(t)
	return w
}

func (w *world) header() object { return object{"alg": "ES256", "typ": "at+jwt", "kid": "k1"} }

func (w *world) claims() object {
	return object{
		"iss": issuer, "sub": "a", "client_id": "a", "aud": audience, "jti": "one", "scope": "accounts:read",
		"iat": w.now.Unix(), "exp": w.now.Add(5 * time.Minute).Unix(), "cnf": x5t(thumbprint.Of(w.pair.Cert).String()),
	}
}

func x5t(text string) object { return object{"x5t#S256": text} }

func (w *world) sign(header, claims object) string {
	encode := func(o object) string {
		text, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := encode(header) + "." + encode(claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, w.key, digest[:])
	if err != nil {
		panic(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature[:])
}

func (w *world) request(token string) explain.Request {
	return explain.Request{
		Token: []byte(token), Certificates: append([]*x509.Certificate{w.pair.Cert}, w.pair.Chain...),
		Issuer: issuer, Audience: audience, Scopes: []string{"accounts:read"}, Now: w.now,
		Keys: jwks.Set{{Key: &w.key.PublicKey, KeyID: "k1", Algorithm: "ES256"}},
	}
}

// explained makes the report, holds it to what no report may contain, and returns
// it as text.
func explained(t *testing.T, q explain.Request) (*explain.Report, string) {
	t.Helper()
	report, err := explain.Explain(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.Text(&text); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(strings.TrimSpace(string(q.Token)), ".") {
		if len(part) > 40 && strings.Contains(text.String()+string(data), part) {
			t.Errorf("a part of the token is repeated:\n%s", text.String())
		}
	}
	return report, text.String()
}

func TestAccepted(t *testing.T) {
	w := newWorld(t)
	report, text := explained(t, w.request(w.sign(w.header(), w.claims())+"\n"))
	if !report.Accepted || !strings.Contains(text, "It would be accepted, as far as was checked; not checked: revocation.") {
		t.Errorf("%s", text)
	}
	q := w.request(w.sign(w.header(), w.claims()))
	q.Issuer, q.Audience, q.Scopes, q.Keys = "", "", nil, nil
	report, text = explained(t, q)
	if !report.Accepted || !strings.Contains(text, "not checked: issuer, audience, signature, revocation, scopes.") {
		t.Errorf("%s", text)
	}
}

// TestNamesWhatWasSeen is the list of mistakes that each cost somebody a day.
func TestNamesWhatWasSeen(t *testing.T) {
	w := newWorld(t)
	h, c := w.header(), w.claims()
	good := w.sign(h, c)
	cnf := func(text string) string { return w.sign(h, c.with("cnf", x5t(text))) }
	der, spki := w.pair.Cert.Raw, w.pair.Cert.RawSubjectPublicKeyInfo
	sum := sha256.Sum256(der)
	hexText := hex.EncodeToString(sum[:])
	var colons []string
	for i := 0; i < len(hexText); i += 2 {
		colons = append(colons, strings.ToUpper(hexText[i:i+2]))
	}
	short := sha1.Sum(der) //nolint:gosec // see above
	raw := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	of := func(data []byte) string { s := sha256.Sum256(data); return raw(s[:]) }
	standard := standardAlphabet(t, w)
	for name, one := range map[string]struct{ token, reason, hint string }{
		"hex":              {cnf(hexText), "token_malformed", "x5t#S256 is the SHA-256 of the client certificate, written in hex;"},
		"hex with colons":  {cnf(strings.Join(colons, ":")), "token_malformed", "the SHA-256 of the client certificate, written in hex with separators;"},
		"hex in base64url": {cnf(raw([]byte(hexText))), "token_malformed", "the SHA-256 of the client certificate, written in base64url of the hex digits;"},
		"padded":           {cnf(base64.URLEncoding.EncodeToString(sum[:])), "token_malformed", "written in base64"},
		"SHA-1":            {cnf(raw(short[:])), "token_malformed", "the SHA-1 of the client certificate;"},
		"SHA-1 in hex":     {cnf(hex.EncodeToString(short[:])), "token_malformed", "the SHA-1 of the client certificate, written in hex;"},
		"hex of nobody":    {cnf(strings.Repeat("ab", 32)), "token_malformed", "32 octets written in hex, of none of the certificates"},
		"PEM":              {cnf(of(w.pair.CertPEM()[:len(ca.EncodeCertificates(w.pair.Cert))])), "thumbprint_mismatch", "bound to the SHA-256 of the PEM text in the client certificate"},
		"base64":           {cnf(of([]byte(base64.StdEncoding.EncodeToString(der)))), "thumbprint_mismatch", "the SHA-256 of the base64 text"},
		"public key":       {cnf(of(spki)), "thumbprint_mismatch", "the SHA-256 of the public key (SPKI) in the client certificate"},
		"intermediate":     {cnf(thumbprint.Of(w.above.Cert).String()), "thumbprint_mismatch", "bound to certificate 2 of the file, an authority's"},
		"renewed":          {cnf(thumbprint.Of(w.previous.Cert).String()), "thumbprint_mismatch", "renewed its certificate with the same key and kept the token"},
		"nobody's":         {cnf(of([]byte("x"))), "thumbprint_mismatch", "bound to none of the certificates given"},
		"unbound":          {w.sign(h, c.with("cnf", nil)), "token_unbound", "its issuer saw no certificate"},
		"DPoP":             {w.sign(h, c.with("cnf", object{"jkt": "x"})), "token_unbound", "bound to a DPoP key"},
		"x5t":              {w.sign(h, c.with("cnf", object{"x5t": "x"})), "token_unbound", "x5t, which is SHA-1"},

		"milliseconds":       {w.sign(h, c.with("exp", w.now.UnixMilli())), "token_malformed", "times are in milliseconds"},
		"clock":              {w.sign(h, c.with("iat", w.now.Unix()+42)), "token_not_yet_valid", "iat is 42s ahead of this clock"},
		"time zone":          {w.sign(h, c.with("iat", w.now.Unix()+7200).with("exp", w.now.Unix()+7500)), "token_not_yet_valid", "took local time for UTC"},
		"expired":            {w.sign(h, c.with("exp", w.now.Unix()-90)), "token_expired", "it expired 1m30s ago; exp has no leeway"},
		"audience, slash":    {w.sign(h, c.with("aud", audience+"/")), "audience_mismatch", "the audience differs in a slash at the end only"},
		"audience, case":     {w.sign(h, c.with("aud", "https://API.example")), "audience_mismatch", "differs in letter case only"},
		"audience, port":     {w.sign(h, c.with("aud", audience+":443")), "audience_mismatch", "differs in the default port only"},
		"audience, two":      {w.sign(h, c.with("aud", "https://API.example:443/")), "audience_mismatch", "differs in letter case and a slash at the end and the default port only"},
		"audience, other":    {w.sign(h, c.with("aud", audience+":8443")), "audience_mismatch", "differs in the port"},
		"audience, path":     {w.sign(h, c.with("aud", audience+"/v1")), "audience_mismatch", "differs in the path"},
		"audience, ID token": {w.sign(h, c.with("aud", "a")), "audience_mismatch", "an ID token"},
		"audience, issuer":   {w.sign(h, c.with("aud", issuer)), "audience_mismatch", "made for its own issuer"},
		"issuer, slash":      {w.sign(h, c.with("iss", issuer+"/")), "issuer_mismatch", "the issuer differs in a slash at the end only"},
		"issuer, http":       {w.sign(h, c.with("iss", "http://as.example")), "issuer_mismatch", "differs in http for https only"},
		"JWT":                {w.sign(h.with("typ", "JWT"), c), "type_refused", "may be an ID token"},
		"no typ":             {w.sign(h.with("typ", nil), c), "type_refused", "the header has no typ"},
		"none":               {w.sign(h.with("alg", "none"), c), "algorithm_refused", "nobody signed"},
		"HMAC":               {w.sign(h.with("alg", "HS256"), c), "algorithm_refused", "whoever can verify it can forge it"},
		"ES512":              {w.sign(h.with("alg", "ES512"), c), "algorithm_refused", "not configured for"},
		"nested":             {w.sign(h.with("cty", "JWT"), c), "token_malformed", "a nested JWT"},
		"key in the header":  {w.sign(h.with("jku", "https://evil.example"), c), "token_malformed", "a key that comes with the token proves nothing"},
		"kid":                {w.sign(h.with("kid", "k0"), c), "key_unknown", `the set has the kids ["k1"]`},
		"tampered":           {tampered(good), "signature_invalid", "changed after it was signed"},
		"JWE":                {good + ".a.b", "token_malformed", "an encrypted token (JWE)"},
		"cut off":            {good[:strings.LastIndex(good, ".")], "token_malformed", "the signature, is missing"},
		"opaque":             {"gho_16C7e42F292c6912E7710c838347Ae178B4a", "token_malformed", "an opaque token and no JWT"},
		"UUID":               {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "token_malformed", "hex, or a UUID"},
		"standard alphabet":  {standard, "token_malformed", "the standard base64 alphabet"},
		"padding":            {good + "=", "token_malformed", "padded with ="},
		"scope":              {w.sign(h, c.with("scope", "Accounts:Read")), "scope_insufficient", "case-sensitive"},
		"scopes with commas": {w.sign(h, c.with("scope", "accounts:read,accounts:write")), "scope_insufficient", "not by commas"},
		"Bearer":             {"Bearer " + good, "token_malformed", `begins with "Bearer"`},
		"header line":        {"authorization: bearer " + good, "token_malformed", `begins with "Authorization:"`},
		"quotes":             {`"` + good + `"`, "token_malformed", "in quotes"},
		"blank":              {" " + good, "token_malformed", "white space around"},
		"wrapped":            {good[:80] + "\n" + good[80:], "token_malformed", "white space within"},
		"answer":             {`{"access_token":"` + good + `","token_type":"Bearer"}`, "token_malformed", "the whole answer of a token endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			q := w.request(one.token)
			q.Previous = w.previous.Cert
			report, text := explained(t, q)
			if report.Accepted || string(report.Reason) != one.reason || !strings.Contains(text, one.hint) {
				t.Errorf("reason %s, want %s and %q\n%s", report.Reason, one.reason, one.hint, text)
			}
			if report.Meaning == "" || report.ToDo == "" {
				t.Error("nothing says what to do")
			}
		})
	}
}

// standardAlphabet is a token that shows in the alphabet it is written in.
func standardAlphabet(t *testing.T, w *world) string {
	t.Helper()
	for range 100 {
		if token := w.sign(w.header(), w.claims()); strings.ContainsAny(token, "-_") {
			return strings.NewReplacer("-", "+", "_", "/").Replace(token)
		}
	}
	t.Fatal("no token with - or _")
	return ""
}

func tampered(token string) string {
	i := strings.LastIndex(token, ".") + 10
	replacement := "A"
	if token[i] == 'A' {
		replacement = "B"
	}
	return token[:i] + replacement + token[i+1:]
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	for name, one := range map[string]struct {
		now          time.Duration
		previous     *x509.Certificate
		bound        keystest.Pair
		reason, hint string
	}{
		"expired":                  {72 * time.Hour, nil, w.pair, "certificate_expired", "the certificate expired 2 days ago"},
		"not yet valid":            {-90 * time.Minute, nil, w.pair, "certificate_not_yet_valid", "the certificate begins in"},
		"renewed with another key": {0, w.other.Cert, w.other, "thumbprint_mismatch", "with a new key, and kept the token"},
		"no previous one":          {0, nil, w.other, "thumbprint_mismatch", "--previous-cert"},
	} {
		t.Run(name, func(t *testing.T) {
			q := w.request(w.sign(w.header(), w.claims().with("cnf", x5t(thumbprint.Of(one.bound.Cert).String()))))
			q.Now, q.Previous = w.now.Add(one.now), one.previous
			report, text := explained(t, q)
			if string(report.Reason) != one.reason || !strings.Contains(text, one.hint) {
				t.Errorf("reason %s, want %s and %q\n%s", report.Reason, one.reason, one.hint, text)
			}
		})
	}
	if _, err := explain.Explain(t.Context(), explain.Request{Token: []byte("x")}); err == nil {
		t.Error("explained without a certificate")
	}
	if _, err := explain.Explain(t.Context(), w.request(" \n")); err == nil || err.Error() != "explain: there is no token in the input" {
		t.Errorf("no token: %v", err)
	}
}

// FuzzExplain: whatever stands in the file, it is explained, in a way that does
// not steer the terminal, and says the verifier's own reason.
func FuzzExplain(f *testing.F) {
	w := newWorld(f)
	f.Add([]byte(w.sign(w.header(), w.claims())))
	f.Add([]byte("Bearer a.b.c\x1b"))
	f.Add([]byte(w.sign(w.header().with("cty", "JWT"), w.claims().with("cnf", x5t("00:11")))))
	f.Fuzz(func(t *testing.T, token []byte) {
		report, err := explain.Explain(t.Context(), w.request(string(token)))
		if err != nil {
			return
		}
		var text strings.Builder
		if err := report.Text(&text); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(text.String(), '\x1b') || len(report.Steps) != 19 {
			t.Errorf("%q", text.String())
		}
		for _, s := range report.Steps {
			if s.Outcome == resource.Failed && report.Accepted {
				t.Errorf("accepted although %s failed", s.Check)
			}
		}
	})
}
