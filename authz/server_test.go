package authz_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

func TestTokenIsBoundToThePresentedCertificate(t *testing.T) {
	w := newWorld(t)
	renewed := w.partners.Client(t, keystest.CommonName("billing"), keystest.URI(acmeURI))
	for _, c := range []struct {
		name, id, method string
		pair             keystest.Pair
	}{
		{"pki", "acme-billing", "tls_client_auth", w.acme},
		{"pki, renewed certificate", "acme-billing", "tls_client_auth", renewed},
		{"self-signed", "acme-edge", "self_signed_tls_client_auth", w.edge},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.token(&c.pair, c.id)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.text)
			}
			if a.body.TokenType != "Bearer" || a.body.ExpiresIn != 300 || a.body.Scope != "accounts:read" {
				t.Errorf("answer %s", a.text)
			}
			for name, want := range map[string]string{"Cache-Control": "no-store", "Pragma": "no-cache", "Content-Type": "application/json"} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			digest := sha256.Sum256(c.pair.Cert.Raw)
			claims := segment(t, a.body.AccessToken, 1)
			cnf, _ := claims["cnf"].(map[string]any)
			if want := base64.RawURLEncoding.EncodeToString(digest[:]); cnf["x5t#S256"] != want {
				t.Errorf("cnf %v, want %s", cnf, want)
			}
			now := float64(w.clock().Unix())
			for name, want := range map[string]any{
				"iss": issuer, "sub": c.id, "client_id": c.id, "aud": accounts, "partner": "acme", "gen": 1.0,
				"iat": now, "exp": now + 300, "scope": "accounts:read",
			} {
				if claims[name] != want {
					t.Errorf("claim %s: %v, want %v", name, claims[name], want)
				}
			}
			header := segment(t, a.body.AccessToken, 0)
			if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" || len(header) != 3 {
				t.Errorf("header %v", header)
			}
			logged := w.log.decision(t, a.header.Get("X-Request-Id"))
			if logged["outcome"] != "allow" || logged["client_id"] != c.id || logged["partner"] != "acme" || logged["auth_method"] != c.method || logged["jti"] != claims["jti"] {
				t.Errorf("logged %v", logged)
			}
			if logged["tls_version"] != "TLS 1.3" || logged["tls_curve"] != "X25519MLKEM768" || logged["tls_protocol"] == "" {
				t.Errorf("the connection is logged as %v, %v, %v", logged["tls_version"], logged["tls_curve"], logged["tls_protocol"])
			}
			if strings.Contains(w.log.text(), a.body.AccessToken) {
				t.Error("the token stands in the log")
			}
		})
	}
}

// refusal is one thing wrong with an otherwise good request. public is what the
// caller may see, operator what is logged.
type refusal struct {
	name     string
	pair     *keystest.Pair
	id       string
	change   func(*http.Request)
	more     []string
	status   int
	code     string
	public   decision.Reason
	operator decision.Reason // empty: the same as public
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ca := w.partners
	pair := func(opts ...keystest.Option) *keystest.Pair {
		p := ca.Client(t, append([]keystest.Option{keystest.URI(acmeURI)}, opts...)...)
		return &p
	}
	from := func(other *keystest.CA, opts ...keystest.Option) *keystest.Pair {
		p := other.Client(t, append([]keystest.Option{keystest.URI(acmeURI)}, opts...)...)
		return &p
	}
	selfSigned := func(opts ...keystest.Option) *keystest.Pair {
		p := keystest.SelfSigned(t, opts...)
		return &p
	}
	incomplete := ca.Intermediate(t, "Issuing CA", keystest.Subject(pkix.Name{Organization: []string{"Partners Ltd"}, CommonName: "Issuing CA"})).Client(t, keystest.URI(acmeURI))
	incomplete.Chain = nil
	behind := keystest.SelfSigned(t, keystest.CommonName("edge"))
	behind.Chain = append(behind.Chain, w.edge.Cert)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add(name, value) }
	}
	const failed = decision.ClientAuthenticationFailed

	for _, c := range []refusal{
		{name: "no certificate", id: "acme-billing", status: 401, code: "invalid_client", public: decision.CertificateMissing},
		{name: "expired", pair: pair(keystest.Expired()), id: "acme-billing", status: 401, code: "invalid_client", public: decision.CertificateExpired},
		{name: "not yet valid", pair: pair(keystest.NotYetValid()), id: "acme-billing", status: 401, code: "invalid_client", public: decision.CertificateNotYetValid},
		{name: "weak key", pair: pair(keystest.RSA(1024)), id: "acme-billing", status: 401, code: "invalid_client", public: decision.CertificateWeak},
		{name: "ends in four seconds", pair: pair(keystest.NotAfter(w.clock().Add(4 * time.Second))), id: "acme-billing", status: 401, code: "invalid_client", public: decision.CertificateExpired},

		{name: "untrusted CA", pair: from(keystest.NewCA(t, "Stranger CA")), id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateUntrusted},
		{name: "same-named CA, another key", pair: from(keystest.NewCA(t, "Partners CA", keystest.Subject(ca.Cert.Subject))), id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateUntrusted},
		{name: "right name from the CA of another bundle", pair: from(w.globex), id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateUntrusted},
		{name: "intermediate not sent", pair: &incomplete, id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.ChainIncomplete},
		{name: "server certificate", pair: pair(keystest.EKU(x509.ExtKeyUsageServerAuth)), id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateWrongUsage},
		{name: "PKI client with a self-signed certificate", pair: selfSigned(keystest.URI(acmeURI)), id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateUntrusted},
		{name: "another subject of the same CA", pair: pair(keystest.URI("spiffe://mallory.example/app")), id: "acme-billing", status: 401, code: "invalid_client", public: failed, operator: decision.SubjectMismatch},
		{name: "another client's id", pair: &w.acme, id: "acme-both", status: 401, code: "invalid_client", public: failed, operator: decision.SubjectMismatch},

		{name: "self-signed, not registered", pair: selfSigned(keystest.CommonName("edge")), id: "acme-edge", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateNotRegistered},
		{name: "self-signed, same key and serial, another certificate", pair: selfSigned(keystest.CommonName("edge"), keystest.WithKey(w.edge.Key), keystest.SerialNumber(w.edge.Cert.SerialNumber)), id: "acme-edge", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateNotRegistered},
		{name: "registered certificate only behind the leaf", pair: &behind, id: "acme-edge", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateNotRegistered},
		{name: "self-signed client with a PKI certificate", pair: &w.acme, id: "acme-edge", status: 401, code: "invalid_client", public: failed, operator: decision.CertificateNotRegistered},

		{name: "unknown client", pair: &w.acme, id: "nobody", status: 401, code: "invalid_client", public: failed, operator: decision.ClientUnknown},
		{name: "disabled client", pair: pair(keystest.DNS("off.acme.example")), id: "acme-off", status: 401, code: "invalid_client", public: failed, operator: decision.ClientDisabled},
		{name: "Basic beside the certificate", pair: &w.acme, id: "acme-billing", change: header("Authorization", "Basic YTpi"), status: 401, code: "invalid_client", public: failed, operator: decision.MultipleCredentials},
		{name: "client_secret beside the certificate", pair: &w.acme, id: "acme-billing", more: []string{"client_secret", "x"}, status: 400, code: "invalid_request", public: failed, operator: decision.MultipleCredentials},
		{name: "client_assertion beside the certificate", pair: &w.acme, id: "acme-billing", more: []string{"client_assertion", "x"}, status: 400, code: "invalid_request", public: failed, operator: decision.MultipleCredentials},
		{name: "compressed body", pair: &w.acme, id: "acme-billing", change: header("Content-Encoding", "gzip"), status: 400, code: "invalid_request", public: decision.RequestMalformed},
		{name: "certificate in a header", id: "acme-billing", change: header("Client-Cert", ":"+base64.StdEncoding.EncodeToString(w.acme.Cert.Raw)+":"), status: 401, code: "invalid_client", public: decision.CertificateMissing},

		{name: "no client_id", pair: &w.acme, status: 400, code: "invalid_request", public: decision.RequestMalformed},
		{name: "client_id with a newline", pair: &w.acme, id: "acme\n", status: 400, code: "invalid_request", public: decision.RequestMalformed},
		{name: "client_id in the URI only", pair: &w.acme, change: func(r *http.Request) { r.URL.RawQuery = "client_id=acme-billing" }, status: 400, code: "invalid_request", public: decision.RequestMalformed},
		{name: "no grant_type", pair: &w.acme, id: "acme-billing", more: []string{"grant_type", ""}, status: 400, code: "invalid_request", public: decision.RequestMalformed},
		{name: "unknown grant", pair: &w.acme, id: "acme-billing", more: []string{"grant_type", "password"}, status: 400, code: "unsupported_grant_type", public: decision.GrantUnsupported},
		{name: "repeated scope", pair: &w.acme, id: "acme-billing", more: []string{"scope", "accounts:read", "scope", "accounts:read"}, status: 400, code: "invalid_request", public: decision.ParameterRepeated},
		{name: "JSON body", pair: &w.acme, id: "acme-billing", change: func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, status: 400, code: "invalid_request", public: decision.RequestMalformed},
		{name: "too large", pair: &w.acme, id: "acme-billing", more: []string{"foo", strings.Repeat("x", 20<<10)}, status: 413, code: "invalid_request", public: decision.RequestTooLarge},

		{name: "scope of nobody", pair: &w.acme, id: "acme-billing", more: []string{"scope", "made:up"}, status: 400, code: "invalid_scope", public: decision.ScopeNotGranted},
		{name: "scope granted to others", pair: &w.acme, id: "acme-billing", more: []string{"scope", "accounts:read accounts:write"}, status: 400, code: "invalid_scope", public: decision.ScopeNotGranted},
		{name: "scope in other case", pair: &w.acme, id: "acme-billing", more: []string{"scope", "Accounts:read"}, status: 400, code: "invalid_scope", public: decision.ScopeNotGranted},
		{name: "scope grammar", pair: &w.acme, id: "acme-billing", more: []string{"scope", "accounts:read  accounts:read"}, status: 400, code: "invalid_scope", public: decision.ScopeNotGranted},
		{name: "client without scopes", pair: pair(keystest.DNS("none.acme.example")), id: "acme-none", status: 400, code: "invalid_scope", public: decision.ScopeNotGranted},
		{name: "unknown resource", pair: &w.acme, id: "acme-billing", more: []string{"resource", "https://evil.example"}, status: 400, code: "invalid_target", public: decision.TargetInvalid},
		{name: "resource where the client has nothing", pair: &w.acme, id: "acme-billing", more: []string{"resource", "https://secret.example"}, status: 400, code: "invalid_target", public: decision.TargetInvalid},
		{name: "repeated resource", pair: &w.acme, id: "acme-billing", more: []string{"resource", accounts, "resource", accounts}, status: 400, code: "invalid_target", public: decision.TargetInvalid},

		{name: "unknown path", pair: &w.acme, id: "acme-billing", change: func(r *http.Request) { r.URL.Path = "/oauth2/tokens" }, status: 404, code: "not_found", public: decision.RouteUnknown},
		{name: "two slashes are not redirected", pair: &w.acme, id: "acme-billing", change: func(r *http.Request) { r.URL.Path = "//oauth2/token" }, status: 404, code: "not_found", public: decision.RouteUnknown},
	} {
		t.Run(c.name, func(t *testing.T) { w.checkRefusal(t, c) })
	}
}

func (w *world) checkRefusal(t *testing.T, c refusal) {
	form := url.Values{}
	if c.id != "" {
		form.Set("client_id", c.id)
	}
	for i := 0; i+1 < len(c.more); i += 2 {
		form.Add(c.more[i], c.more[i+1])
	}
	r := w.tokenRequest(form)
	if c.change != nil {
		c.change(r)
	}
	a := w.do(w.client(c.pair), r)
	if a.status != c.status || a.body.Error != c.code || a.body.Reason != c.public {
		t.Errorf("%d %s %s, want %d %s %s", a.status, a.body.Error, a.body.Reason, c.status, c.code, c.public)
	}
	if a.body.AccessToken != "" {
		t.Error("a token was issued")
	}
	if a.body.ErrorDescription == "" || a.body.RequestID == "" || a.body.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("body %s, X-Request-Id %q", a.text, a.header.Get("X-Request-Id"))
	}
	if challenged := a.header.Get("WWW-Authenticate") != ""; challenged != (r.Header.Get("Authorization") != "") {
		t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
	}
	want := c.operator
	if want == "" {
		want = c.public
	}
	logged := w.log.decision(t, a.body.RequestID)
	if logged["reason"] != string(want) || logged["outcome"] != "refuse" {
		t.Errorf("logged %v (%v), want %s", logged["reason"], logged["detail"], want)
	}
}

// TestClientFailuresLookAlike: from the answer nobody can tell which clients
// exist or what they are matched by.
func TestClientFailuresLookAlike(t *testing.T) {
	w := newWorld(t)
	stranger := keystest.NewCA(t, "Stranger CA").Client(t, keystest.URI(acmeURI))
	off := w.partners.Client(t, keystest.DNS("off.acme.example"))
	var first string
	for name, a := range map[string]answer{
		"unknown client":  w.token(&w.acme, "nobody"),
		"wrong subject":   w.token(&w.acme, "acme-both"),
		"untrusted":       w.token(&stranger, "acme-billing"),
		"not registered":  w.token(&w.acme, "acme-edge"),
		"disabled client": w.token(&off, "acme-off"),
	} {
		text := strings.ReplaceAll(a.text, a.body.RequestID, "ID")
		if first == "" {
			first = text
		}
		if text != first || a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s, others got %s", name, a.status, text, first)
		}
	}
}

func TestTargetAndScope(t *testing.T) {
	w := newWorld(t)
	both := w.partners.Client(t, keystest.DNS("both.acme.example"))
	for _, c := range []struct {
		name      string
		more      []string
		audience  string
		scope     string
		expiresIn int64
		code      string
	}{
		{"scopes of one API", []string{"scope", "accounts:write accounts:read"}, accounts, "accounts:read accounts:write", 300, ""},
		{"resource alone", []string{"resource", accounts}, accounts, "accounts:read accounts:write", 300, ""},
		{"resource with its own lifetime", []string{"resource", payments}, payments, "payments:write", 60, ""},
		{"resource and scope", []string{"resource", accounts, "scope", "accounts:read"}, accounts, "accounts:read", 300, ""},
		{"a scope asked twice", []string{"scope", "accounts:read accounts:read"}, accounts, "accounts:read", 300, ""},
		{"nothing asked, two APIs", nil, "", "", 0, "invalid_target"},
		{"scopes of two APIs", []string{"scope", "accounts:read payments:write"}, "", "", 0, "invalid_target"},
		{"scope of another API than resource", []string{"resource", accounts, "scope", "payments:write"}, "", "", 0, "invalid_scope"},
		{"resource differs by a slash", []string{"resource", accounts + "/"}, "", "", 0, "invalid_target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.token(&both, "acme-both", c.more...)
			if a.body.Error != c.code || a.body.Scope != c.scope || a.body.ExpiresIn != c.expiresIn {
				t.Fatalf("%d %s", a.status, a.text)
			}
			if c.code == "" {
				if aud := segment(t, a.body.AccessToken, 1)["aud"]; aud != c.audience {
					t.Errorf("aud %v, want %s", aud, c.audience)
				}
			}
		})
	}
}

// TestParameterWithoutValueIsOmitted: RFC 6749 §3.2.
func TestParameterWithoutValueIsOmitted(t *testing.T) {
	w := newWorld(t)
	a := w.token(&w.acme, "acme-billing", "client_secret", "", "client_assertion", "", "scope", "", "resource", "", "foo", "")
	if a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
}

func TestTokenNeverOutlivesTheCertificate(t *testing.T) {
	w := newWorld(t)
	end := w.clock().Add(42 * time.Second)
	short := w.partners.Client(t, keystest.URI(acmeURI), keystest.NotAfter(end))
	a := w.token(&short, "acme-billing")
	claims := segment(t, a.body.AccessToken, 1)
	if claims["exp"] != float64(end.Unix()) || a.body.ExpiresIn != 42 {
		t.Errorf("exp %v, expires_in %d; the certificate ends at %d", claims["exp"], a.body.ExpiresIn, end.Unix())
	}
}

// TestOpenConnectionsOutliveNothing changes the world between two requests on
// one connection.
func TestOpenConnectionsOutliveNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*testing.T, *world)
		want   decision.Reason
	}{
		{"the certificate expires", func(_ *testing.T, w *world) { w.advance(365 * 24 * time.Hour) }, decision.CertificateExpired},
		{"the client is disabled", func(t *testing.T, w *world) {
			w.update(t, func(tx storage.Tx) error {
				client, err := tx.Client(t.Context(), "acme-billing")
				client.Disabled = true
				return then(err, func() error { return tx.UpdateClient(t.Context(), client) })
			})
		}, decision.ClientDisabled},
		{"the partner is disabled", func(t *testing.T, w *world) {
			w.update(t, func(tx storage.Tx) error {
				partner, err := tx.Partner(t.Context(), "acme")
				partner.Disabled = true
				return then(err, func() error { return tx.UpdatePartner(t.Context(), partner) })
			})
		}, decision.ClientDisabled},
		{"the subject value changes", func(t *testing.T, w *world) {
			w.apply(t, &registration.Set{Clients: []registration.Client{{
				ClientID: "acme-billing", PartnerID: "acme", AuthMethod: storage.TLSClientAuth,
				SANURI: "spiffe://acme.example/other", TrustBundle: "partners", Scope: "accounts:read",
			}}})
		}, decision.SubjectMismatch},
		{"the trust bundle is replaced", func(t *testing.T, w *world) {
			w.apply(t, &registration.Set{TrustBundles: []registration.TrustBundle{{
				Name: "partners", Anchors: string(keystest.NewCA(t, "Next CA").CertPEM()),
			}}})
		}, decision.RetiredBundle},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			client := w.client(&w.acme)
			good := w.do(client, w.tokenRequest(url.Values{"client_id": {"acme-billing"}}))
			if good.status != http.StatusOK {
				t.Fatalf("before: %s", good.text)
			}
			c.change(t, w)
			a := w.do(client, w.tokenRequest(url.Values{"client_id": {"acme-billing"}}))
			logged := w.log.decision(t, a.body.RequestID)
			if a.status != http.StatusUnauthorized || logged["reason"] != string(c.want) {
				t.Errorf("%d, logged %v (%v), want %s", a.status, logged["reason"], logged["detail"], c.want)
			}
			before := w.log.decision(t, good.header.Get("X-Request-Id"))
			if before["remote_addr"] != logged["remote_addr"] {
				t.Error("the requests went over two connections, so the test shows nothing")
			}
		})
	}
}

func then(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

func (w *world) update(t *testing.T, fn func(storage.Tx) error) {
	t.Helper()
	if err := w.store.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (w *world) apply(t *testing.T, r *registration.Set) {
	t.Helper()
	if err := r.Apply(t.Context(), w.store, w.clock()); err != nil {
		t.Fatal(err)
	}
}

func TestMismatchTellsTheOperatorWhatDiffers(t *testing.T) {
	w := newWorld(t)
	other := w.globex.Client(t, keystest.Subject(pkix.Name{Organization: []string{"Globex"}, CommonName: "app2"}))
	a := w.token(&other, "globex-app")
	logged := w.log.decision(t, a.body.RequestID)
	if logged["reason"] != "subject_mismatch" || logged["expected"] != "subject_dn:CN=app,O=Globex" {
		t.Errorf("logged %v", logged)
	}
	detail, _ := logged["detail"].(string)
	if !strings.Contains(detail, "app2") {
		t.Errorf("the detail %q does not name what differs", detail)
	}
	if strings.Contains(a.text, "app2") || strings.Contains(a.text, "Globex") {
		t.Error("the caller saw it too")
	}
}

func TestStorageFailureIssuesNothing(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	a := w.token(&w.acme, "acme-billing")
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "5" || a.body.Reason != decision.StorageUnavailable || a.body.AccessToken != "" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if err := w.server.Ready(t.Context()); err == nil {
		t.Error("ready without a database")
	}
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	for path, c := range map[string]struct {
		allow   string
		refused []string
	}{
		"/oauth2/token": {"POST", []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"}},
		"/.well-known/oauth-authorization-server": {"GET, HEAD", []string{"POST", "PUT", "DELETE"}},
		"/.well-known/jwks.json":                  {"GET, HEAD", []string{"POST"}},
	} {
		for _, method := range c.refused {
			r, err := http.NewRequestWithContext(t.Context(), method, w.http.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			a := w.do(w.client(&w.acme), r)
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
}

func TestMetadataAndKeys(t *testing.T) {
	w := newWorld(t)
	get := func(path string, change func(*http.Request)) (*http.Response, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.http.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(r)
		}
		response, err := w.client(nil).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var members map[string]any
		if response.StatusCode == http.StatusOK {
			if err := json.NewDecoder(response.Body).Decode(&members); err != nil {
				t.Fatal(err)
			}
		}
		return response, members
	}
	_, metadata := get("/.well-known/oauth-authorization-server", func(r *http.Request) {
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
	})
	for name, want := range map[string]string{
		"issuer": `"https://as.example"`, "token_endpoint": `"https://as.example/oauth2/token"`,
		"jwks_uri":              `"https://as.example/.well-known/jwks.json"`,
		"grant_types_supported": `["client_credentials"]`, "response_types_supported": `[]`,
		"token_endpoint_auth_methods_supported":      `["tls_client_auth","self_signed_tls_client_auth"]`,
		"tls_client_certificate_bound_access_tokens": `true`,
		"mtls_endpoint_aliases":                      `{"introspection_endpoint":"https://as.example/oauth2/introspect","revocation_endpoint":"https://as.example/oauth2/revoke","token_endpoint":"https://as.example/oauth2/token"}`,
		"introspection_endpoint":                     `"https://as.example/oauth2/introspect"`, "revocation_endpoint": `"https://as.example/oauth2/revoke"`,
		"introspection_endpoint_auth_methods_supported": `["tls_client_auth","self_signed_tls_client_auth"]`,
		"revocation_endpoint_auth_methods_supported":    `["tls_client_auth","self_signed_tls_client_auth"]`,
	} {
		if got, _ := json.Marshal(metadata[name]); string(got) != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	response, set := get("/.well-known/jwks.json", nil)
	if response.Header.Get("Cache-Control") != "public, max-age=300, s-maxage=0, must-revalidate" || response.Header.Get("ETag") == "" {
		t.Errorf("headers %v", response.Header)
	}
	keys, _ := set["keys"].([]any)
	if len(keys) != 4 { // access tokens and the feed, of each what signs and what is going to
		t.Fatalf("keys %v", set)
	}
	var members []string
	for name := range keys[0].(map[string]any) {
		members = append(members, name)
	}
	slices.Sort(members)
	if want := []string{"alg", "crv", "kid", "kty", "use", "x", "y"}; !slices.Equal(members, want) {
		t.Errorf("JWK members %v, want %v", members, want)
	}
	again, _ := get("/.well-known/jwks.json", func(r *http.Request) { r.Header.Set("If-None-Match", response.Header.Get("ETag")) })
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("revalidation: %d", again.StatusCode)
	}
}
