package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/proxy"
)

const (
	issuer   = "https://as.test"
	audience = "https://api.test"
)

// patience is when a test that waits for something gives up. It is far beyond
// what the slowest machine needs: nothing here is about speed.
const patience = 5 * time.Minute

// world is a proxy on a real TLS socket with everything around it: an issuer's
// key, two clients of one CA, and an upstream whose bytes can be looked at.
type world struct {
	*upstream
	ca            *keystest.CA
	acme, mallory keystest.Pair
	issuerKey     *ecdsa.PrivateKey
	server        *httptest.Server
	drain         context.CancelFunc
	log           *logBuffer
	verifier      *resource.Verifier
	limits        *http.Server   // whose timeouts the proxy is told, in place of the real server's, which has none
	running       sync.WaitGroup // handlers; the server does not wait for those of HTTP/2
	acmeThumb     string
	skew          atomic.Int64                    // how far the verifier's clock is ahead, in nanoseconds
	revoked       atomic.Pointer[decision.Reason] // why every token is dead
}

// Check makes the world its verifier's revocations.
func (w *world) Check(*accesstoken.Claims, string) (decision.Reason, error) {
	reason := w.revoked.Load()
	switch {
	case reason == nil:
		return "", nil
	case *reason == decision.RevocationsStale:
		return "", errors.New("stale")
	}
	return *reason, nil
}

func (w *world) revoke(reason decision.Reason) { w.revoked.Store(&reason) }

// keySource serves one issuer key.
type keySource struct{ key jose.JSONWebKey }

func (s keySource) Keys(context.Context, string) ([]jose.JSONWebKey, error) {
	return []jose.JSONWebKey{s.key}, nil
}

// newWorld starts a proxy; change may alter its configuration, which has the
// routes of the seeds and more, all to one raw upstream.
func newWorld(t testing.TB, change ...func(*world, *proxy.Config, *httptest.Server)) *world {
	t.Helper()
	w := &world{ca: keystest.NewCA(t, "Test CA"), log: &logBuffer{}, upstream: newUpstream(t)}
	w.acme = w.ca.Client(t, keystest.CommonName("acme"))
	w.mallory = w.ca.Client(t, keystest.CommonName("mallory"))
	w.acmeThumb = thumbprint.Of(w.acme.Cert).String()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	w.issuerKey = key
	w.verifier, err = resource.New(resource.Config{
		Issuer: issuer, Audience: audience, Revocations: w,
		Clock: func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) },
		Keys:  keySource{jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}},
	})
	must(t, err)
	get := []string{"GET"}
	read, write := []string{"accounts:read"}, []string{"accounts:write"}
	c := proxy.Config{
		Verifier: w.verifier, Recheck: 5 * time.Millisecond, Logger: slog.New(slog.NewJSONHandler(w.log, nil)), Observe: w.log.observe,
		Routes: []proxy.Route{
			{Path: "/accounts", Methods: []string{"GET", "HEAD"}, Scopes: read, Upstream: w.url},
			{Path: "/accounts", Methods: []string{"POST"}, Scopes: write, Upstream: w.url},
			{Path: "/accounts/{id}", Methods: get, Scopes: read, Upstream: w.url},
			{Path: "/accounts/secret", Methods: get, Scopes: []string{"admin"}, Upstream: w.url},
			{Path: "/accounts/{id}/items", Methods: get, Scopes: read, Upstream: w.url},
			{Path: "/raw", Methods: get, AnyScope: true, ForwardToken: true, Upstream: w.url},
		},
	}
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	for _, f := range change {
		f(w, &c, w.server)
	}
	c.Draining, w.drain = context.WithCancel(context.Background())
	t.Cleanup(w.drain)
	p, err := proxy.New(c)
	must(t, err)
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.running.Add(1)
		defer w.running.Done()
		if w.limits != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, w.limits))
		}
		p.ServeHTTP(rw, r)
	})
	w.server.TLS = &tls.Config{
		Certificates: []tls.Certificate{w.ca.Server(t).TLS()},
		ClientAuth:   tls.RequestClientCert, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
	}
	w.server.StartTLS()
	t.Cleanup(func() { w.server.Close(); w.log.expectObserved(t) })
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	must(t, err)
	return u
}

// token signs an access token for acme; change may spoil it.
func (w *world) token(t testing.TB, change ...func(*accesstoken.Claims)) string {
	t.Helper()
	now := time.Now()
	c := &accesstoken.Claims{
		Issuer: issuer, Subject: "acme-billing", ClientID: "acme-billing", Audience: []string{audience},
		ID: "jti-1", Partner: "acme", IssuedAt: now.Add(-time.Second), Expiry: now.Add(5 * time.Minute),
		Scopes: []string{"accounts:read", "accounts:write"}, Thumbprint: thumbprint.Of(w.acme.Cert),
	}
	for _, f := range change {
		f(c)
	}
	payload, err := c.Marshal()
	must(t, err)
	return w.sign(t, payload)
}

// sign makes an access token of any payload.
func (w *world) sign(t testing.TB, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: w.issuerKey, KeyID: "k1"}},
		(&jose.SignerOptions{}).WithType(accesstoken.Type))
	must(t, err)
	jws, err := signer.Sign(payload)
	must(t, err)
	compact, err := jws.CompactSerialize()
	must(t, err)
	return compact
}

// tlsConfig is a caller's side: with a certificate, or without for a zero pair.
func (w *world) tlsConfig(pair keystest.Pair, protocols ...string) *tls.Config {
	c := &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost", NextProtos: protocols, MinVersion: tls.VersionTLS13}
	if pair.Cert != nil {
		c.Certificates = []tls.Certificate{pair.TLS()}
	}
	return c
}

// answer is what a caller got.
type answer struct {
	*http.Response
	body          []byte
	json          decision.Body
	informational []http.Header // of 1xx answers before it
}

// send writes raw bytes on a new TLS connection and reads one answer. Lines end
// in \n in the tests and in \r\n on the wire. {token} stands for a good token.
func (w *world) send(t testing.TB, pair keystest.Pair, request string) *answer {
	t.Helper()
	return w.sendTo(t, "localhost", pair, request)
}

// sendTo is send with a server name of its own for the TLS handshake.
func (w *world) sendTo(t testing.TB, server string, pair keystest.Pair, request string) *answer {
	t.Helper()
	c := w.tlsConfig(pair)
	c.ServerName = server
	return w.sendBy(t, c, request)
}

// sendBy is send with any TLS configuration.
func (w *world) sendBy(t testing.TB, c *tls.Config, request string) *answer {
	t.Helper()
	conn, err := tls.Dial("tcp", w.server.Listener.Addr().String(), c)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	if strings.Contains(request, "{token}") {
		request = strings.ReplaceAll(request, "{token}", w.token(t))
	}
	_, err = io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n"))
	must(t, err)
	method, _, _ := strings.Cut(request, " ")
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, &http.Request{Method: method})
	must(t, err)
	a := &answer{}
	for ; res.StatusCode < 200 && res.StatusCode != 101; must(t, err) {
		a.informational = append(a.informational, res.Header)
		res, err = http.ReadResponse(reader, &http.Request{Method: method})
	}
	defer res.Body.Close()
	a.Response = res
	a.body, err = io.ReadAll(res.Body)
	must(t, err)
	if res.Header.Get("Content-Type") == "application/json" {
		_ = json.Unmarshal(a.body, &a.json) // HEAD has no body
	}
	return a
}

// call sends a well-formed request with acme's certificate and a good token.
func (w *world) call(t testing.TB, method, target string, extra ...string) *answer {
	t.Helper()
	lines := ""
	for _, line := range extra {
		lines += line + "\n"
	}
	return w.send(t, w.acme, method+" "+target+" HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n"+lines+"\n")
}

// client is an ordinary HTTP client with acme's certificate.
func (w *world) client(t testing.TB, protocols ...string) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: w.tlsConfig(w.acme, protocols...), ForceAttemptHTTP2: len(protocols) > 0, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func (w *world) request(ctx context.Context, t testing.TB, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, w.server.URL+path, body)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+w.token(t))
	return r
}

// upstream is a plain TCP server that keeps the bytes of each request.
type upstream struct {
	url   *url.URL
	hits  atomic.Int64
	mu    sync.Mutex
	last  string
	reply string
}

// okReply says that the connection ends, as it does: a POST that is sent on one that
// is just being closed cannot be repeated, and would be a 502.
const okReply = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	u := &upstream{url: mustURL(t, "http://"+l.Addr().String()), reply: okReply}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

// serve answers one request a connection, after recording all of its bytes.
func (u *upstream) serve(conn net.Conn) {
	defer conn.Close()
	var raw bytes.Buffer
	// The bytes are recorded as they are; net/http only tells where they end.
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &raw)))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	u.mu.Lock()
	u.last = raw.String()
	reply := u.reply
	u.mu.Unlock()
	u.hits.Add(1)
	if r.Method == http.MethodHead {
		reply, _, _ = strings.Cut(reply, "\r\n\r\n")
		reply += "\r\n\r\n"
	}
	_, _ = io.WriteString(conn, reply)
}

func (u *upstream) setReply(reply string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reply = strings.ReplaceAll(reply, "\n", "\r\n")
}

// received returns the last request's bytes and its request line.
func (u *upstream) received() (raw, line string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	line, _, _ = strings.Cut(u.last, "\r\n")
	return u.last, line
}

// values returns what the upstream received under a header name, compared as
// CGI would.
func (u *upstream) values(name string) []string {
	raw, _ := u.received()
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	var values []string
	for _, line := range strings.Split(head, "\r\n")[1:] {
		key, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.NewReplacer("_", "-", ".", "-").Replace(key), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// logBuffer collects JSON log lines.
type logBuffer struct {
	mu   sync.Mutex
	data bytes.Buffer

	logged, observed int // decisions
}

// observe counts the decisions that an observer hears of.
func (b *logBuffer) observe(*decision.Decision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.observed++
}

// expectObserved wants each decision that was logged to have been observed once.
func (b *logBuffer) expectObserved(t testing.TB) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.observed != b.logged {
		t.Errorf("%d decisions were logged and %d observed", b.logged, b.observed)
	}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logged += bytes.Count(p, []byte(`"msg":"decision"`))
	return b.data.Write(p)
}

// decisions returns the decision lines since the last call.
func (b *logBuffer) decisions(t testing.TB) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(b.data.String()) {
		var m map[string]any
		must(t, json.Unmarshal([]byte(line), &m))
		if m["msg"] == "decision" {
			found = append(found, m)
		}
	}
	b.data.Reset()
	return found
}

// waitFor waits for a line with the message.
func (b *logBuffer) waitFor(t testing.TB, message string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		b.mu.Lock()
		text := b.data.String()
		b.mu.Unlock()
		for line := range strings.Lines(text) {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == message {
				return m
			}
		}
	}
	t.Fatalf("no line %q is logged", message)
	return nil
}

// one returns the only decision since the last call.
func (b *logBuffer) one(t testing.TB) map[string]any {
	t.Helper()
	lines := b.decisions(t)
	if len(lines) != 1 {
		t.Fatalf("%d decisions are logged, want 1: %v", len(lines), lines)
	}
	return lines[0]
}

// expectRefusal checks status, body, log and that the upstream heard nothing.
func (w *world) expectRefusal(t testing.TB, a *answer, status int, reason decision.Reason) map[string]any {
	t.Helper()
	if a.StatusCode != status || (a.json.Reason != reason && a.Request.Method != "HEAD") {
		t.Errorf("got %d %q, want %d %q; body %s", a.StatusCode, a.json.Reason, status, reason, a.body)
	}
	if hits := w.hits.Load(); hits != 0 {
		raw, _ := w.received()
		t.Errorf("the upstream was reached %d times: %q", hits, raw)
	}
	line := w.log.one(t)
	if line["reason"] != string(reason) || line["outcome"] != "refuse" || line["request_id"] != a.Header.Get("X-Request-Id") {
		t.Errorf("logged %v, want reason %s and request id %s", line, reason, a.Header.Get("X-Request-Id"))
	}
	return line
}
