package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/signing"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/storage"
)

// world is an admin listener with three administrators: root, who came by
// bootstrap and is known by one certificate; deputy, who holds the same scopes;
// and operator, who may not touch the other two.
type world struct {
	*authztest.World
	http     *httptest.Server
	root     keystest.Pair
	keeper   *signing.Keeper
	sweeper  *audit.Sweeper
	verifier *resource.Verifier
	notified atomic.Int64
	trusted  atomic.Int64
}

func newWorld(t testing.TB, changes ...func(*admin.Config)) *world {
	t.Helper()
	w := &world{World: authztest.New(t), root: keystest.SelfSigned(t, keystest.CommonName("root"), keystest.Validity(time.Now().Add(-time.Hour), time.Now().AddDate(0, 1, 0)))}
	if err := admin.Bootstrap(t.Context(), w.Store, w.Recorder, w.Clock(), w.administrator(t, "root", w.root)); err != nil {
		t.Fatal(err)
	}
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client := func(id string, scopes ...string) storage.Client {
			return storage.Client{
				ID: id, PartnerID: "acme", Method: storage.TLSClientAuth, TrustBundle: "partners", Scopes: scopes, CreatedAt: w.Clock(),
				Matcher: storage.Matcher{Kind: storage.SANDNS, Value: id + ".example", Canonical: id + ".example"},
			}
		}
		return errors.Join(
			tx.CreateClient(ctx, client("deputy", admin.Scopes()...)),
			tx.CreateClient(ctx, client("operator", admin.ScopeOperate, admin.ScopeRead)),
			tx.CreateClient(ctx, client("writer", admin.ScopeOperate, admin.ScopeRead, admin.ScopeWrite)),
		)
	})
	verifier, err := resource.New(resource.Config{
		Issuer: authztest.Issuer, Audience: admin.Audience(authztest.Issuer), Keys: ringKeys{w}, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.keeper, err = signing.New(signing.Config{
		Store: w.Broken, Rings: []*keys.Ring{w.Ring, w.FeedRing, w.CheckpointRing}, Audit: w.Recorder, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.sweeper, err = audit.NewSweeper(audit.SweeperConfig{Store: w.Store, Audit: w.Recorder, Signer: w.CheckpointRing, Clock: w.Clock, Logger: w.Logger})
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = verifier
	w.serve(t, changes...)
	return w
}

// serve makes the listener, with a configuration that is changed.
func (w *world) serve(t testing.TB, changes ...func(*admin.Config)) {
	t.Helper()
	config := admin.Config{
		Issuer: authztest.Issuer, Verifier: w.verifier, Authenticator: w.Auth, Store: w.Broken,
		Audit: w.Recorder, Keys: w.keeper, Checkpoints: w.CheckpointRing, Pruner: w.sweeper, Notify: func() { w.notified.Add(1) }, TrustChanged: func(context.Context) { w.trusted.Add(1) }, Clock: w.Clock, Logger: w.Logger,
	}
	for _, change := range changes {
		change(&config)
	}
	h, err := admin.NewHandler(config)
	if err != nil {
		t.Fatal(err)
	}
	w.http = w.Serve(h)
}

func (w *world) administrator(t testing.TB, id string, pair keystest.Pair) admin.Administrator {
	t.Helper()
	client, err := admin.SelfSigned(id, "operations", pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	return admin.Administrator{Issuer: authztest.Issuer, Client: client}
}

// ringKeys are the issuer's published keys.
type ringKeys struct{ w *world }

func (k ringKeys) Keys(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	var set jose.JSONWebKeySet
	err := json.Unmarshal(k.w.Ring.PublicJWKS(), &set)
	return set.Key(kid), err
}

func (w *world) pair(id string) *keystest.Pair {
	if id == "root" {
		return &w.root
	}
	return w.Pair(id)
}

// claims are those of a fresh admin token of id with the scopes it holds.
func (w *world) claims(id string) *accesstoken.Claims {
	c := w.Claims(id)
	client, err := w.Store.Client(context.Background(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	c.Audience, c.Scopes, c.Thumbprint = []string{admin.Audience(authztest.Issuer)}, client.Scopes, thumbprint.Of(w.pair(id).Cert)
	return c
}

// as is an administrator with a connection and a token.
type as struct {
	w      *world
	client *http.Client
	token  string
}

func (w *world) as(id string) as {
	return as{w, w.HTTPClient(w.http, w.pair(id)), w.Sign(w.claims(id))}
}

// do sends a request; more are header names and values.
func (a as) do(method, path, body string, more ...string) authztest.Answer {
	a.w.T.Helper()
	answer := a.w.Do(a.client, a.request(method, path, body, more...))
	bare, _, _ := strings.Cut(path, "?")
	a.w.keepsItsPromise(a.w.T, method, bare, answer)
	return answer
}

func (a as) request(method, path, body string, more ...string) *http.Request {
	a.w.T.Helper()
	r, err := http.NewRequestWithContext(a.w.T.Context(), method, a.w.http.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		a.w.T.Fatal(err)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	return r
}

func (a as) get(path string) authztest.Answer          { a.w.T.Helper(); return a.do("GET", path, "") }
func (a as) post(path, body string) authztest.Answer   { a.w.T.Helper(); return a.do("POST", path, body) }
func decode[T any](t *testing.T, a authztest.Answer) T { t.Helper(); return decodeText[T](t, a.Body) }

func decodeText[T any](t *testing.T, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// wantProblem holds an answer against RFC 9457 and our two members.
func (w *world) wantProblem(t *testing.T, a authztest.Answer, status int, reason string) {
	t.Helper()
	type problem struct {
		Type, Title, Reason string
		Status              int
		RequestID           string `json:"request_id"`
	}
	p := decode[problem](t, a)
	if a.Status != status || p.Status != status || p.Reason != reason || p.Type != "urn:certbound:problem:"+reason ||
		p.Title == "" || p.RequestID != a.Header.Get("X-Request-Id") || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %v %s, want %d %s", a.Status, a.Header, a.Body, status, reason)
	}
	if status == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Bearer realm="https://as.example/admin"`) {
		t.Errorf("challenge %q", a.Header.Get("WWW-Authenticate"))
	}
	if line := w.Log.Decision(t, a); line["journey"] != "admin_request" || line["outcome"] != "refuse" {
		t.Errorf("logged %v", line)
	}
}
