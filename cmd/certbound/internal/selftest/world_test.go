package selftest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/cmd/certbound/internal/selftest"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/jwks"
)

// world is a small deployment, good by itself, with a screw to loosen for each
// way to get it wrong.
type world struct {
	as, proxy   *httptest.Server
	key         *ecdsa.PrivateKey
	pair, other keystest.Pair
	roots       *x509.CertPool
	loose       loose
	verifier    *resource.Verifier
}

// loose are the screws.
type loose struct {
	// of the authorization server
	unbound, anyCertificate, noCertificate, repeated, get, query, multipart, basic, json bool
	openIntrospection, openRevocation, privateKey                                        bool
	metadata                                                                             map[string]any
	// of the proxy
	verify                                         func(w *world, r *http.Request) bool
	identityHeaders, queryToken, firstOfTwo, clean bool
	anyMethodCase, anyMethod, noToken, breaks      bool
	// of TLS
	tls func(*tls.Config)
}

func newWorld(t *testing.T, l loose) *world {
	t.Helper()
	w := &world{loose: l, roots: x509.NewCertPool()}
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	ca := keystest.NewCA(t, "partners")
	w.pair = ca.Client(t, keystest.URI("spiffe://acme/billing"))
	w.other = ca.Client(t)
	w.as = w.serve(t, w.authorization())
	w.proxy = w.serve(t, http.HandlerFunc(w.protect))
	w.verifier, err = resource.New(resource.Config{
		Issuer: w.as.URL, Audience: "api", Keys: w.keys(), InsecureAllowUnbound: l.unbound,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) keys() jwks.Set {
	return jwks.Set{{Key: &w.key.PublicKey, KeyID: "k1", Algorithm: "ES256"}}
}

func (w *world) serve(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
	if w.loose.tls != nil {
		w.loose.tls(s.TLS)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	w.roots.AddCert(s.Certificate())
	return s
}

func (w *world) config() selftest.Config {
	other := w.other.TLS()
	return selftest.Config{
		Issuer: w.as.URL, Proxy: w.proxy.URL, Path: "/accounts", ClientID: "acme", Certificate: w.pair.TLS(), Other: &other, RootCAs: w.roots,
	}
}

func (w *world) authorization() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(rw http.ResponseWriter, _ *http.Request) {
		members := map[string]any{
			"issuer": w.as.URL, "token_endpoint": w.as.URL + "/token", "jwks_uri": w.as.URL + "/jwks",
			"introspection_endpoint": w.as.URL + "/introspect", "revocation_endpoint": w.as.URL + "/revoke",
			"tls_client_certificate_bound_access_tokens": true, "token_endpoint_auth_methods_supported": []string{"tls_client_auth"},
		}
		maps.Copy(members, w.loose.metadata)
		answerJSON(rw, 200, members)
	})
	mux.HandleFunc("/jwks", func(rw http.ResponseWriter, _ *http.Request) {
		key := jose.JSONWebKey{Key: &w.key.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}
		if w.loose.privateKey {
			key.Key = w.key
		}
		answerJSON(rw, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
	})
	mux.HandleFunc("/token", w.token)
	of := func(open bool) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) == 0 && !open {
				answerJSON(rw, 401, map[string]any{"error": "invalid_client"})
				return
			}
			answerJSON(rw, 200, map[string]any{"active": false})
		}
	}
	mux.HandleFunc("/introspect", of(w.loose.openIntrospection))
	mux.HandleFunc("/revoke", of(w.loose.openRevocation))
	return mux
}

func answerJSON(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // whoever hung up does not want it
}

func (w *world) token(rw http.ResponseWriter, r *http.Request) {
	cert, err := w.admit(r)
	if err != nil {
		answerJSON(rw, 400, map[string]any{"error": "invalid_request", "reason": err.Error()})
		return
	}
	now := time.Now()
	claims := map[string]any{
		"iss": w.as.URL, "sub": "acme", "client_id": "acme", "aud": "api", "jti": "one",
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "scope": "accounts:read",
	}
	if !w.loose.unbound {
		claims["cnf"] = map[string]any{"x5t#S256": thumbprint.Of(cert).String()}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: w.key},
		(&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "k1"))
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	answerJSON(rw, 200, map[string]any{"access_token": text, "token_type": "Bearer"})
}

// admit is client authentication: the one certificate, unless a screw is loose.
func (w *world) admit(r *http.Request) (*x509.Certificate, error) {
	l := &w.loose
	switch {
	case r.Method != http.MethodPost && !l.get:
		return nil, errors.New("method")
	case r.Header.Get("Authorization") != "" && !l.basic:
		return nil, errors.New("credentials")
	case r.ContentLength > 16<<10:
		return nil, errors.New("size")
	}
	form, err := w.form(r)
	if err != nil {
		return nil, err
	}
	for _, values := range form {
		if len(values) > 1 && !l.repeated {
			return nil, errors.New("repeated")
		}
	}
	switch {
	case form.Get("client_id") != "acme" || form.Get("client_secret") != "":
		return nil, errors.New("client")
	case len(r.TLS.PeerCertificates) == 0 && l.noCertificate:
		return w.pair.Cert, nil
	case len(r.TLS.PeerCertificates) == 0:
		return nil, errors.New("no certificate")
	}
	leaf := r.TLS.PeerCertificates[0]
	if !leaf.Equal(w.pair.Cert) && (!l.anyCertificate || leaf.Subject.String() != w.pair.Cert.Subject.String()) {
		return nil, errors.New("certificate")
	}
	return leaf, nil
}

func (w *world) form(r *http.Request) (url.Values, error) {
	media := r.Header.Get("Content-Type")
	switch {
	case w.loose.get && r.Method == http.MethodGet, w.loose.query && r.URL.RawQuery != "":
		return r.URL.Query(), nil
	case strings.HasPrefix(media, "multipart/form-data") && w.loose.multipart:
		err := r.ParseMultipartForm(1 << 20)
		return r.PostForm, err
	case media == "application/json" && w.loose.json:
		var members map[string]string
		err := json.NewDecoder(r.Body).Decode(&members)
		return url.Values{"client_id": {members["client_id"]}}, err
	case media != "application/x-www-form-urlencoded":
		return nil, errors.New("media type")
	}
	err := r.ParseForm()
	return r.PostForm, err
}

// protect is the proxy, and the API behind it, which echoes.
func (w *world) protect(rw http.ResponseWriter, r *http.Request) {
	l := &w.loose
	if l.breaks {
		answerJSON(rw, 500, nil)
		return
	}
	at := r.URL.EscapedPath()
	if l.clean {
		at = path.Clean(r.URL.Path)
	}
	method := r.Method
	if l.anyMethodCase {
		method = strings.ToUpper(method)
	}
	switch {
	case at != "/accounts":
		answerJSON(rw, 404, nil)
	case method != http.MethodGet && !l.anyMethod:
		answerJSON(rw, 405, nil)
	case !w.accepts(r):
		answerJSON(rw, 401, map[string]any{"error": "invalid_token"})
	default:
		if !l.identityHeaders {
			maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return name != "X-Selftest-Echo" })
		}
		answerJSON(rw, 200, r.Header)
	}
}

func (w *world) accepts(r *http.Request) bool {
	l := &w.loose
	tokens := r.Header["Authorization"]
	if l.queryToken && r.URL.Query().Has("access_token") {
		r.Header.Set("Authorization", "Bearer "+r.URL.Query().Get("access_token"))
		r.URL.RawQuery = ""
	}
	if l.firstOfTwo && len(tokens) > 1 {
		r.Header["Authorization"] = tokens[:1]
	}
	if l.noToken && len(tokens) == 0 {
		return true
	}
	if l.verify != nil {
		return len(r.Header["Authorization"]) == 1 && l.verify(w, r)
	}
	_, err := w.verifier.VerifyRequest(r)
	return err == nil
}

// bearer is the token of a request.
func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// holes runs the battery and returns the names of the probes that found one.
func (w *world) holes(t *testing.T) []string {
	t.Helper()
	report, err := selftest.Run(t.Context(), w.config())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range report.Results {
		switch one.Outcome {
		case selftest.Hole:
			names = append(names, one.Probe)
			if one.Danger == "" {
				t.Errorf("%s does not say what it is good for", one.Probe)
			}
		case selftest.Unclear, selftest.Skipped:
			t.Errorf("%s is %s: %s", one.Probe, one.Outcome, one.Seen)
		}
	}
	if report.Holes != len(names) || report.Requests > 200 {
		t.Errorf("%+v", report)
	}
	slices.Sort(names)
	return names
}
