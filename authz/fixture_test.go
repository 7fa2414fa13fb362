package authz_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

const (
	issuer   = "https://as.example"
	accounts = "https://accounts.example"
	payments = "https://payments.example"

	acmeURI = "spiffe://acme.example/billing"
)

// world is an authorization server on a real TLS socket with a real database,
// two certificate authorities and a clock that stands until it is moved.
type world struct {
	t      testing.TB
	server *authz.Server
	store  storage.Store
	ring   *keys.Ring
	sealer *keys.Sealer
	http   *httptest.Server
	log    *logBuffer

	stopRun func() // ends the server's background work

	mu  sync.Mutex
	now time.Time

	partners, globex *keystest.CA
	acme, edge       keystest.Pair
}

// newWorld lets wrap stand between the server and its database.
func newWorld(t testing.TB, wrap ...func(storage.Store) storage.Store) *world {
	t.Helper()
	w := &world{t: t, log: &logBuffer{}, now: time.Now().UTC().Truncate(time.Second)}
	w.partners = keystest.NewCA(t, "Partners CA", keystest.Subject(pkix.Name{Organization: []string{"Partners Ltd"}, CommonName: "Partners CA"}))
	w.globex = keystest.NewCA(t, "Globex CA")
	w.acme = w.partners.Client(t, keystest.CommonName("billing"), keystest.URI(acmeURI))
	w.edge = keystest.SelfSigned(t, keystest.CommonName("edge"))

	ctx := t.Context()
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w.store = store
	for _, wrap := range wrap {
		w.store = wrap(w.store)
	}
	if err := w.registration().Apply(ctx, store, w.now); err != nil {
		t.Fatal(err)
	}
	w.start(ctx)
	return w
}

func (w *world) start(ctx context.Context) {
	w.t.Helper()
	kek := make([]byte, 32)
	rand.Read(kek)
	sealer, err := keys.NewSealer(keys.KEK{ID: "k1", Key: kek})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sealer = sealer
	w.ring, err = keys.Open(ctx, keys.Config{
		Store: authz.KeyStore(w.store), Sealer: sealer, Clock: w.clock, Algorithm: "ES256", Purpose: "access_token",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	feed, err := keys.Open(ctx, keys.Config{
		Store: authz.KeyStore(w.store), Sealer: sealer, Clock: w.clock, Purpose: authz.FeedPurpose,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	checkpoints, err := keys.Open(ctx, keys.Config{
		Store: authz.KeyStore(w.store), Sealer: sealer, Clock: w.clock, Purpose: audit.CheckpointPurpose,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.server, err = authz.New(ctx, authz.Config{
		Issuer: issuer, Store: w.store, Keys: w.ring, FeedKeys: feed, CheckpointKeys: checkpoints, Clock: w.clock,
		Logger: slog.New(slog.NewJSONHandler(w.log, nil)), Audit: authz.Audit{Instance: "test"}, Observe: w.log.observe,
		Enrollment: authz.Enrollment{Sealer: sealer},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		w.server.Run(running)
	}()
	w.stopRun = func() {
		stop()
		<-ran
	}
	w.t.Cleanup(w.stopRun)
	w.t.Cleanup(func() { w.log.expectObserved(w.t) })
	w.http = httptest.NewUnstartedServer(w.server.Public())
	w.http.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	w.http.StartTLS()
	w.t.Cleanup(w.http.Close)
}

func (w *world) registration() *registration.Set {
	return &registration.Set{
		Partners: []registration.Partner{{ID: "acme", Name: "Acme"}, {ID: "globex", Name: "Globex"}},
		TrustBundles: []registration.TrustBundle{
			{Name: "partners", Anchors: string(w.partners.CertPEM())},
			{Name: "globex", Anchors: string(w.globex.CertPEM())},
		},
		APIs: []registration.API{
			{ID: "accounts", Audience: accounts, Scopes: []string{"accounts:read", "accounts:write"}},
			{ID: "payments", Audience: payments, Scopes: []string{"payments:write"}, TokenLifetimeSeconds: 60},
			{ID: "secret", Audience: "https://secret.example", Scopes: []string{"secret:read"}},
		},
		Clients: []registration.Client{
			{ClientID: "acme-billing", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANURI: acmeURI, TrustBundle: "partners", Scope: "accounts:read"},
			{ClientID: "acme-both", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "both.acme.example", TrustBundle: "partners", Scope: "accounts:read accounts:write payments:write"},
			{ClientID: "acme-none", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "none.acme.example", TrustBundle: "partners"},
			{ClientID: "acme-off", PartnerID: "acme", AuthMethod: storage.TLSClientAuth, SANDNS: "off.acme.example", TrustBundle: "partners", Scope: "accounts:read", Disabled: true},
			{ClientID: "acme-edge", PartnerID: "acme", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: jwks(w.t, w.edge), Scope: "accounts:read"},
			{ClientID: "globex-app", PartnerID: "globex", AuthMethod: storage.TLSClientAuth, SubjectDN: "CN=app,O=Globex", TrustBundle: "globex", Scope: "accounts:read"},
		},
	}
}

// jwks is the registration of self-signed certificates, RFC 8705 §2.2.2.
func jwks(t testing.TB, pairs ...keystest.Pair) *registration.JWKS {
	t.Helper()
	set := &registration.JWKS{}
	for _, pair := range pairs {
		set.Keys = append(set.Keys, jwk(t, pair.Cert))
	}
	return set
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// client returns an HTTP client that presents the pair, or nothing.
func (w *world) client(pair *keystest.Pair) *http.Client {
	return authztest.HTTPClient(w.t, w.http, pair)
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		decision.Body
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
		Scope       string `json:"scope"`
	}
}

func (w *world) do(client *http.Client, r *http.Request) answer {
	w.t.Helper()
	response, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if r.Method != http.MethodHead {
		if err := json.Unmarshal(text, &a.body); err != nil {
			w.t.Fatalf("the body is not JSON: %q", text)
		}
	}
	return a
}

// tokenRequest is a client-credentials request with the given parameters.
func (w *world) tokenRequest(form url.Values) *http.Request {
	w.t.Helper()
	if !form.Has("grant_type") {
		form.Set("grant_type", "client_credentials")
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.http.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (w *world) token(pair *keystest.Pair, id string, more ...string) answer {
	w.t.Helper()
	form := url.Values{"client_id": {id}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return w.do(w.client(pair), w.tokenRequest(form))
}

// logBuffer collects the JSON log lines of the server.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer

	logged, observed int // decisions
}

// observe counts the decisions that an observer hears of.
func (l *logBuffer) observe(*decision.Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.observed++
}

// expectObserved wants each decision that was logged to have been observed once.
func (l *logBuffer) expectObserved(t testing.TB) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.observed != l.logged {
		t.Errorf("%d decisions were logged and %d observed", l.logged, l.observed)
	}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logged += bytes.Count(p, []byte(`"msg":"decision"`))
	return l.b.Write(p)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// decision returns the one logged decision with this request id.
func (l *logBuffer) decision(t *testing.T, requestID string) map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(l.text()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line is not JSON: %q", line)
		}
		if entry["msg"] == "decision" && entry["request_id"] == requestID {
			found = append(found, entry)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d decisions logged for request %q, want 1", len(found), requestID)
	}
	return found[0]
}

// segment decodes one part of a compact JWS into claims or header members.
func segment(t *testing.T, token string, index int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[index])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}
