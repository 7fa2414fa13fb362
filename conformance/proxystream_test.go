package conformance

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// streams is an API that echoes WebSocket messages and sends events.
func streams(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/events" {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for ctx := context.Background(); ; {
		kind, data, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, data) != nil {
			return
		}
	}
}

// streaming is a site whose proxy follows the feed and lets streams through to an
// API on a unix socket.
func streaming(t *testing.T) (*harness.Dev, *harness.Process, keystest.Pair) {
	t.Helper()
	site := streamingSite(t)
	d, _, proxy := site.StartBoth(t)
	return d, proxy, site.Client(t, "one")
}

func streamingSite(t *testing.T) *harness.Site {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "api.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewUnstartedServer(http.HandlerFunc(streams))
	_ = api.Listener.Close()
	api.Listener = listener
	api.Start()
	t.Cleanup(api.Close)
	site := harness.NewSite(t, "unix://"+socket)
	site.Follow(t)
	route := func(path string) map[string]any {
		return map[string]any{"path": path, "methods": []string{"GET"}, "scopes": []string{"accounts:read"}, "upstream": "api", "websocket": true}
	}
	site.ProxyCfg["upstreams"] = []map[string]any{{"name": "api", "url": "unix://" + socket}}
	site.ProxyCfg["routes"] = []map[string]any{route("/socket"), route("/events")}
	return site
}

// served is a client with a token, once the proxy serves it: the feed may need a moment.
func served(t *testing.T, d *harness.Dev, one *keystest.Pair) (ctx context.Context, client *http.Client, token string, header http.Header) {
	t.Helper()
	token = d.Token(t, one, harness.TokenForm("one", "scope", "accounts:read")).AccessToken
	header = http.Header{"Authorization": {"Bearer " + token}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	client = d.HTTPClient(t, one, nil)
	client.Timeout = 0
	waitServed(ctx, t, d, client, header)
	return ctx, client, token, header
}

// TestRevocationEndsOpenStreams: a WebSocket and an event stream that were opened
// with a good token end when it is revoked, and cannot be opened again.
func TestRevocationEndsOpenStreams(t *testing.T) {
	t.Parallel()
	d, _, one := streaming(t)
	ctx, client, token, header := served(t, d, &one)

	conn, _, err := websocket.Dial(ctx, d.Proxy+"/socket", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(ctx); err != nil || string(got) != "hello" {
		t.Fatalf("echo %q, %v", got, err)
	}
	events := openEvents(ctx, t, d, client, header)
	defer events.Close()

	revoked := d.Send(t, harness.Request{
		Method: http.MethodPost, URL: d.Issuer + "/oauth2/revoke", Pair: &one,
		Header: http.Header{"Content-Type": {harness.FormType}}, Body: "client_id=one&token=" + token,
	})
	if revoked.Status != http.StatusOK {
		t.Fatalf("revocation: %s", revoked)
	}
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the WebSocket goes on: %v", err)
	}
	if _, err := io.Copy(io.Discard, events); err != nil {
		t.Errorf("the event stream did not end in good order: %v", err)
	}
	for _, route := range []string{"/socket", "/events"} {
		d.Stderr.WaitFor(t, "stream_ended by "+route, func(l harness.Line) bool {
			return l.Text("msg") == "stream_ended" && l.Text("route") == route && l.Text("reason") == "token_revoked" && l.Text("client_id") == "one"
		})
	}
	refused := d.Send(t, harness.Request{Method: http.MethodGet, URL: d.Proxy + "/events", Header: header, Pair: &one})
	expectRefusal(t, d, refused, badToken("token_revoked"))
}

// TestRevocationReachesStreamsPastAReload: the proxy's own certificate is renewed
// again and again while an event stream lasts. The feed by the newest one ends it.
func TestRevocationReachesStreamsPastAReload(t *testing.T) {
	t.Parallel()
	site := streamingSite(t)
	d, _, proxy := site.StartBoth(t)
	one := site.Client(t, "one")
	ctx, client, token, header := served(t, d, &one)
	events := openEvents(ctx, t, d, client, header)
	defer events.Close()
	for range 3 {
		reloads := len(d.Stderr.All("reloaded"))
		site.Client(t, "rs").WriteFiles(t, site.Dir, "rs")
		proxy.Hangup(t)
		eventually(t, "it follows by the new certificate", func() bool { return len(d.Stderr.All("reloaded")) > reloads })
	}
	revoked := d.Send(t, harness.Request{
		Method: http.MethodPost, URL: d.Issuer + "/oauth2/revoke", Pair: &one,
		Header: http.Header{"Content-Type": {harness.FormType}}, Body: "client_id=one&token=" + token,
	})
	if revoked.Status != http.StatusOK {
		t.Fatalf("revocation: %s", revoked)
	}
	line := d.Stderr.WaitFor(t, "stream_ended", func(l harness.Line) bool { return l.Text("msg") == "stream_ended" && l.Text("route") == "/events" })
	if line.Text("reason") != "token_revoked" {
		t.Errorf("ended by %v", line)
	}
	if _, err := io.Copy(io.Discard, events); err != nil {
		t.Errorf("the event stream did not end in good order: %v", err)
	}
}

// TestStoppingEndsOpenStreams: an event stream does not hold the proxy up when it
// is told to stop, and ends in good order.
func TestStoppingEndsOpenStreams(t *testing.T) {
	t.Parallel()
	d, proxy, one := streaming(t)
	ctx, client, _, header := served(t, d, &one)
	events := openEvents(ctx, t, d, client, header)
	defer events.Close()
	if err := proxy.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, events); err != nil {
		t.Errorf("the event stream did not end in good order: %v", err)
	}
	d.Stderr.WaitFor(t, "stream_ended", func(l harness.Line) bool {
		return l.Text("msg") == "stream_ended" && l.Text("reason") == "draining"
	})
	if log, _ := d.Stderr.Snapshot(); strings.Contains(log, "drain_incomplete") {
		t.Error("the proxy waited for the stream")
	}
}

// openEvents opens the event stream and reads the first one.
func openEvents(ctx context.Context, t *testing.T, d *harness.Dev, client *http.Client, header http.Header) io.ReadCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Proxy+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || resp.StatusCode != http.StatusOK || line != "data: hello\n" {
		t.Fatalf("%d %q %v", resp.StatusCode, line, err)
	}
	return resp.Body
}

// waitServed waits until the proxy has heard the feed.
func waitServed(ctx context.Context, t *testing.T, d *harness.Dev, client *http.Client, header http.Header) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Proxy+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header.Clone()
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the proxy does not serve: %d", resp.StatusCode)
		}
	}
}

// TestRates: the real binary holds a client to its rate, and says when to come
// back; another client has its own.
func TestRates(t *testing.T) {
	t.Parallel()
	upstream := newUpstream(t)
	site := harness.NewSite(t, upstream.URL)
	site.ProxyCfg["rate_limits"] = map[string]any{"client": map[string]any{"requests": 2, "per": "1h"}}
	d := site.Start(t)
	one, two := site.Client(t, "one"), site.Client(t, "two")
	token := d.Token(t, &one, harness.TokenForm("one", "scope", "accounts:read")).AccessToken
	for range 2 {
		expectServed(t, d, d.CallAPI(t, &one, token))
	}
	for range 3 { // nobody else's requests count
		d.CallAPI(t, &two, token)
	}
	refused := d.CallAPI(t, &one, token)
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	if refused.Status != http.StatusTooManyRequests || refused.Refusal(t).Reason != "rate_limited" || err != nil || wait < 1 || wait > 1800 {
		t.Errorf("got %s, Retry-After %q", refused, refused.Header.Get("Retry-After"))
	}
	other := d.Token(t, &two, harness.TokenForm("two", "scope", "accounts:read")).AccessToken
	expectServed(t, d, d.CallAPI(t, &two, other))
}
