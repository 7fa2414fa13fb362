package resource_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

func TestVerifyRequestAllows(t *testing.T) {
	b := newBench(t)
	for name, token := range map[string]string{
		"a plain token":          b.token(b.acme),
		"typ in full":            b.sign(b.header().with("typ", "application/at+jwt").text(), b.claims(b.acme).text()),
		"typ in capitals":        b.sign(b.header().with("typ", "AT+JWT").text(), b.claims(b.acme).text()),
		"aud in an array":        b.sign(b.header().text(), b.claims(b.acme).with("aud", []string{"x", audience}).text()),
		"no scope":               b.sign(b.header().text(), b.claims(b.acme).with("scope", nil).text()),
		"iat within the leeway":  b.sign(b.header().text(), b.claims(b.acme).with("iat", b.now.Unix()+10).text()),
		"nbf within the leeway":  b.sign(b.header().text(), b.claims(b.acme).with("nbf", b.now.Unix()+10).text()),
		"one second left":        b.sign(b.header().text(), b.claims(b.acme).with("exp", b.now.Unix()+1).text()),
		"claims it does not ask": b.sign(b.header().with("x5t", "x").text(), b.claims(b.acme).with("groups", []int{1}).text()),
	} {
		t.Run(name, func(t *testing.T) { b.twins(t, token, b.acme) })
	}
	t.Run("a self-signed client", func(t *testing.T) {
		self := keystest.SelfSigned(t, keystest.CommonName("edge"), keystest.NoEKU())
		b.twins(t, b.token(self), self)
	})
}

func TestVerifyRequestReturnsTheToken(t *testing.T) {
	b := newBench(t)
	token, err := b.verifier.VerifyRequest(request(b.token(b.acme), &b.acme), "accounts:read")
	if err != nil {
		t.Fatal(err)
	}
	d := token.Decision
	if !d.Allowed || d.Reason != "" || d.Journey != decision.APIRequest || d.RequestID == "" || d.Time.Location() != time.UTC {
		t.Errorf("decision %+v", d)
	}
	wantEvidence := decision.Evidence{
		RemoteAddr: "192.0.2.1:1234", Method: "GET", Path: "/accounts", TLSVersion: "TLS 1.3",
		Certificate: decision.Certificate{
			Thumbprint: thumbprint.Of(b.acme.Cert).String(), Subject: "CN=acme", Issuer: "CN=partners",
			Serial: b.acme.Cert.SerialNumber.Text(16), NotAfter: b.acme.Cert.NotAfter.UTC(),
		},
		ClientID: "acme-billing", Partner: "acme", Issuer: issuerURL, Audience: audience, TokenID: "one", KeyID: keyID,
		ScopesNeeded: []string{"accounts:read"}, ScopesHeld: []string{"accounts:read"},
	}
	if diff := cmp.Diff(wantEvidence, d.Evidence); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	if token.Peer.Leaf != b.acme.Cert || !token.HasScope("accounts:read") || token.HasScope("accounts:write") {
		t.Errorf("token %+v", token)
	}
	token.Peer, token.Decision = nil, decision.Decision{}
	want := &resource.Token{
		Issuer: issuerURL, Subject: "acme-billing", ClientID: "acme-billing", Partner: "acme", ID: "one",
		Audience: []string{audience}, Scopes: []string{"accounts:read"}, IssuedAt: b.now.UTC(), Expiry: b.now.Add(5 * time.Minute).UTC(),
		Generation: 1, Thumbprint: thumbprint.Of(b.acme.Cert),
	}
	if diff := cmp.Diff(want, token); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
}

// TestVerifyRequestRefusesClaims forges tokens that are wrong in one claim only
// and signed by the true key.
func TestVerifyRequestRefusesClaims(t *testing.T) {
	b := newBench(t)
	print := thumbprint.Of(b.acme.Cert)
	spki := sha256.Sum256(b.acme.Cert.RawSubjectPublicKeyInfo)
	tbs := sha256.Sum256(b.acme.Cert.RawTBSCertificate)
	text := sha256.Sum256(b.acme.CertPEM())
	confirm := func(value any) object { return object{"x5t#S256": value} }
	for _, tt := range []struct {
		claim string
		value any
		want  decision.Reason
	}{
		{"iss", "https://as.example/", decision.IssuerMismatch},
		{"iss", "https://AS.example", decision.IssuerMismatch},
		{"iss", "http://as.example", decision.IssuerMismatch},
		{"iss", "https://as.example:443", decision.IssuerMismatch},
		{"iss", "https://as.example.evil", decision.IssuerMismatch},
		{"iss", "https://as.example ", decision.IssuerMismatch},
		{"iss", "as.example", decision.IssuerMismatch},
		{"iss", nil, decision.TokenMalformed},
		{"iss", []string{issuerURL}, decision.TokenMalformed},
		{"aud", "https://api.example/", decision.AudienceMismatch},
		{"aud", "https://API.example", decision.AudienceMismatch},
		{"aud", "https://api.example https://other.example", decision.AudienceMismatch},
		{"aud", "https://api.example.evil", decision.AudienceMismatch},
		{"aud", "*", decision.AudienceMismatch},
		{"aud", []string{"x", "y"}, decision.AudienceMismatch},
		{"aud", []string{}, decision.TokenMalformed},
		{"aud", nil, decision.TokenMalformed},
		{"aud", object{"0": audience}, decision.TokenMalformed},
		{"exp", b.now.Unix(), decision.TokenExpired}, // no leeway
		{"exp", b.now.Unix() - 1, decision.TokenExpired},
		{"exp", 0, decision.TokenExpired},
		{"exp", nil, decision.TokenMalformed},
		{"exp", "9999999999", decision.TokenMalformed},
		{"exp", 1e30, decision.TokenMalformed},
		{"iat", b.now.Unix() + 11, decision.TokenNotYetValid},
		{"iat", nil, decision.TokenMalformed},
		{"nbf", b.now.Unix() + 11, decision.TokenNotYetValid},
		{"nbf", "1", decision.TokenMalformed},
		{"jti", nil, decision.TokenMalformed},
		{"sub", nil, decision.TokenMalformed},
		{"client_id", nil, decision.TokenMalformed},
		{"cnf", nil, decision.TokenUnbound},
		{"cnf", object{}, decision.TokenUnbound},
		{"cnf", object{"jkt": print.String()}, decision.TokenUnbound},
		{"cnf", object{"x5t": print.String()}, decision.TokenUnbound},
		{"cnf", object{"x5t#S256": print.String(), "jkt": "x"}, decision.TokenMalformed},
		{"cnf", print.String(), decision.TokenMalformed},
		{"cnf", []any{confirm(print.String())}, decision.TokenMalformed},
		{"cnf", confirm(print.String() + "="), decision.TokenMalformed},
		{"cnf", confirm(print.String()[:42]), decision.TokenMalformed},
		{"cnf", confirm([]string{print.String()}), decision.TokenMalformed},
		{"cnf", confirm(base64.RawURLEncoding.EncodeToString(spki[:])), decision.ThumbprintMismatch},
		{"cnf", confirm(base64.RawURLEncoding.EncodeToString(tbs[:])), decision.ThumbprintMismatch},
		{"cnf", confirm(base64.RawURLEncoding.EncodeToString(text[:])), decision.ThumbprintMismatch},
		{"cnf", confirm(thumbprint.Of(b.mallory.Cert).String()), decision.ThumbprintMismatch},
		{"cnf", confirm(thumbprint.Of(b.ca.Cert).String()), decision.ThumbprintMismatch},
	} {
		payload := b.claims(b.acme).with(tt.claim, tt.value).text()
		_, err := b.verifier.VerifyRequest(request(b.sign(b.header().text(), payload), &b.acme))
		if got := reason(t, err); got != tt.want {
			t.Errorf("%s %v: got %q, want %q", tt.claim, tt.value, got, tt.want)
		}
	}
}

// TestVerifyRequestRefusesHeaders is the same for the JOSE header.
func TestVerifyRequestRefusesHeaders(t *testing.T) {
	b := newBench(t)
	own := jose.JSONWebKey{Key: &b.key.PublicKey, KeyID: keyID}
	for _, tt := range []struct {
		name  string
		value any
		want  decision.Reason
	}{
		{"alg", "none", decision.AlgorithmRefused},
		{"alg", "None", decision.AlgorithmRefused},
		{"alg", "HS256", decision.AlgorithmRefused},
		{"alg", "es256", decision.AlgorithmRefused},
		{"alg", "ES384", decision.AlgorithmRefused},
		{"alg", "RS256", decision.AlgorithmRefused}, // accepted here, but not with this key
		{"alg", nil, decision.TokenMalformed},
		{"alg", []string{"ES256"}, decision.TokenMalformed},
		{"typ", "JWT", decision.TypeRefused},
		{"typ", nil, decision.TypeRefused},
		{"typ", "", decision.TypeRefused},
		{"typ", 1, decision.TypeRefused},
		{"typ", []string{"at+jwt"}, decision.TypeRefused},
		{"typ", "at+jwt; charset=utf-8", decision.TypeRefused},
		{"typ", "id+jwt", decision.TypeRefused},
		{"typ", "certbound-revocations+jwt", decision.TypeRefused},
		{"kid", nil, decision.TokenMalformed},
		{"kid", "", decision.TokenMalformed},
		{"kid", "K1", decision.KeyUnknown},
		{"kid", "../../../dev/null", decision.KeyUnknown},
		{"kid", "' OR 1=1 --", decision.KeyUnknown},
		{"kid", "https://evil.example/key", decision.KeyUnknown},
		{"jwk", own, decision.TokenMalformed},
		{"jku", "https://evil.example", decision.TokenMalformed},
		{"x5u", "https://evil.example", decision.TokenMalformed},
		{"x5c", []string{base64.StdEncoding.EncodeToString(b.acme.Cert.Raw)}, decision.TokenMalformed},
		{"crit", []string{"exp"}, decision.TokenMalformed},
		{"crit", []string{}, decision.TokenMalformed},
		{"b64", true, decision.TokenMalformed},
		{"zip", "DEF", decision.TokenMalformed},
		{"cty", "JWT", decision.TokenMalformed},
	} {
		header := b.header().with(tt.name, tt.value).text()
		_, err := b.verifier.VerifyRequest(request(b.sign(header, b.claims(b.acme).text()), &b.acme))
		if got := reason(t, err); got != tt.want {
			t.Errorf("%s %v: got %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}

// TestUsualForgeriesAreCalledByName: they come with a header of their own, without
// our kid; what is wrong first is alg, then typ.
func TestUsualForgeriesAreCalledByName(t *testing.T) {
	b := newBench(t)
	for header, want := range map[string]decision.Reason{
		`{"alg":"none"}`:                decision.AlgorithmRefused,
		`{"alg":"none","typ":"at+jwt"}`: decision.AlgorithmRefused,
		`{"alg":"HS256","typ":"JWT"}`:   decision.AlgorithmRefused,
		`{"alg":"ES256","typ":"JWT"}`:   decision.TypeRefused,
		`{"alg":"ES256"}`:               decision.TypeRefused,
	} {
		_, err := b.verifier.VerifyRequest(request(b.sign(header, b.claims(b.acme).text()), &b.acme))
		if got := reason(t, err); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}

func TestVerifyRequestChecksTheCertificate(t *testing.T) {
	b := newBench(t)
	for name, tt := range map[string]struct {
		pair keystest.Pair
		want decision.Reason
	}{
		"expired":       {b.ca.Client(t, keystest.Expired()), decision.CertificateExpired},
		"not yet valid": {b.ca.Client(t, keystest.NotYetValid()), decision.CertificateNotYetValid},
		"RSA 1024":      {b.ca.Client(t, keystest.RSA(1024)), decision.CertificateWeak},
		"too many":      {keystest.Pair{Cert: b.acme.Cert, Chain: make([]*x509.Certificate, 40)}, decision.CertificateMalformed},
	} {
		_, err := b.verifier.VerifyRequest(request(b.token(tt.pair), &tt.pair))
		if got := reason(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	// The same connection, a while later: time passes for open connections too.
	r := request(b.token(b.acme), &b.acme)
	b.now = b.acme.Cert.NotAfter.Add(time.Second)
	_, err := b.verifier.VerifyRequest(r)
	if got := reason(t, err); got != decision.CertificateExpired {
		t.Errorf("later: got %q", got)
	}
	r.TLS = nil
	_, err = b.verifier.VerifyRequest(r)
	if got := reason(t, err); got != decision.CertificateMissing {
		t.Errorf("plain HTTP: got %q", got)
	}
}

func TestVerifyRequestScopes(t *testing.T) {
	b := newBench(t)
	token := b.sign(b.header().text(), b.claims(b.acme).with("scope", "accounts:read payments").text())
	for _, tt := range []struct {
		needed []string
		want   decision.Reason
	}{
		{nil, ""}, {[]string{"payments"}, ""}, {[]string{"payments", "accounts:read"}, ""},
		{[]string{"accounts:write"}, decision.ScopeInsufficient}, {[]string{"payments", "accounts"}, decision.ScopeInsufficient},
		{[]string{"Payments"}, decision.ScopeInsufficient}, {[]string{"accounts:read payments"}, decision.ScopeInsufficient}, {[]string{""}, decision.ScopeInsufficient},
	} {
		_, err := b.verifier.VerifyRequest(request(token, &b.acme), tt.needed...)
		if got := reason(t, err); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.needed, got, tt.want)
		}
	}
	// A bad token is 401 even where its scopes would not do (RFC 6750 §3.1).
	_, err := b.verifier.VerifyRequest(request(b.sign(b.header().text(), b.claims(b.acme).with("exp", 1).text()), &b.acme), "admin")
	if got := reason(t, err); got != decision.TokenExpired {
		t.Errorf("expired and without the scope: got %q", got)
	}
}

func TestVerifyRequestAllowingUnbound(t *testing.T) {
	b := newBench(t, func(c *resource.Config) { c.InsecureAllowUnbound = true })
	free := b.sign(b.header().text(), b.claims(b.acme).with("cnf", nil).text())
	for _, pair := range []*keystest.Pair{nil, &b.acme, &b.mallory} {
		token, err := b.verifier.VerifyRequest(request(free, pair))
		if err != nil || !token.Thumbprint.IsZero() || (token.Peer == nil) != (pair == nil) {
			t.Errorf("an unbound token: %+v, %v", token, err)
		}
	}
	b.twins(t, b.token(b.acme), b.acme) // bound ones are checked as always
	for _, cnf := range []any{object{}, object{"jkt": "x"}, "x", []any{}} {
		token := b.sign(b.header().text(), b.claims(b.acme).with("cnf", cnf).text())
		if _, err := b.verifier.VerifyRequest(request(token, nil)); err == nil {
			t.Errorf("cnf %v was taken for none", cnf)
		}
	}
}

func TestVerifyRequestEvidenceOfARefusal(t *testing.T) {
	b := newBench(t)
	for name, pair := range map[string]*keystest.Pair{"stolen": &b.mallory, "without a certificate": nil} {
		_, err := b.verifier.VerifyRequest(request(b.token(b.acme), pair))
		var refusal *resource.Refusal
		if !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		e := refusal.Decision.Evidence
		if e.ClaimedClientID != "acme-billing" || e.ClientID != "" || e.Partner != "" || !e.ClaimsUnverified || e.TokenID != "one" || e.KeyID != keyID || e.ScopesHeld != nil {
			t.Errorf("%s: evidence %+v", name, e)
		}
		if pair != nil && (e.Expected != thumbprint.Of(b.acme.Cert).String() || e.Seen != thumbprint.Of(b.mallory.Cert).String()) {
			t.Errorf("%s: expected %q, seen %q", name, e.Expected, e.Seen)
		}
	}
}
