package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/proxy"
)

// person is one caller among many, and what an upstream must be told of them.
type person struct {
	pair  keystest.Pair
	token string
	told  string
}

// told is what an upstream has been told of the caller, each header in full.
func told(h http.Header) string {
	var all []string
	for _, name := range []string{"X-Certbound-Client", "X-Certbound-Partner", "X-Certbound-Scope", "Client-Cert", "Authorization"} {
		all = append(all, strings.Join(h.Values(name), "&"))
	}
	return strings.Join(all, "|")
}

func (w *world) persons(t *testing.T, n int) []person {
	t.Helper()
	all := make([]person, n)
	for i := range all {
		pair := w.ca.Client(t, keystest.CommonName(fmt.Sprint("person-", i)))
		client, partner, scope := fmt.Sprint("client-", i), fmt.Sprint("partner-", i), fmt.Sprint("own-", i)
		token := w.token(t, func(c *accesstoken.Claims) {
			c.ClientID, c.Subject, c.Partner, c.ID = client, client, partner, fmt.Sprint("jti-", i)
			c.Scopes, c.Thumbprint = []string{"accounts:read", "accounts:write", scope}, thumbprint.Of(pair.Cert)
		})
		all[i] = person{pair, token, strings.Join([]string{client, partner, "accounts:read accounts:write " + scope, peercert.Binary(pair.Cert), ""}, "|")}
	}
	return all
}

// witness is an API that says what it was told: in a body behind the request's, in
// events, or in the messages of a WebSocket.
type witness struct {
	mu   sync.Mutex
	seen map[string]string // by request id, what it was told
}

func (s *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // one that is broken off shows as a short echo
	id := strings.Join(r.Header.Values("X-Request-Id"), "&")
	s.mu.Lock()
	if s.seen[id] != "" {
		id += " for the second time"
	}
	s.seen[id] = told(r.Header)
	s.mu.Unlock()
	said := id + "|" + told(r.Header) + "|" + r.URL.RawQuery + "|" + r.Header.Get("X-Note") + "|" + string(body)
	switch {
	case r.Header.Get("Upgrade") != "":
		conn, err := websocket.Accept(rw, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for range 3 {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(said))
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
	case r.URL.Path == "/accounts/events":
		rw.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = fmt.Fprintf(rw, "%s\n", said)
			_ = http.NewResponseController(rw).Flush()
		}
	default:
		_, _ = io.WriteString(rw, said)
	}
}

// TestIdentitiesDoNotMix lets many callers call at once, over connections that are
// kept and streams that share one, each with forged headers of another, and among
// them thieves with another's token. Whatever arrives is told of who has sent it.
func TestIdentitiesDoNotMix(t *testing.T) {
	t.Parallel()
	api := &witness{seen: map[string]string{}}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w := newWorld(t, func(_ *world, c *proxy.Config, s *httptest.Server) {
		s.EnableHTTP2 = true
		for i := range c.Routes {
			c.Routes[i].Upstream, c.Routes[i].WebSocket = mustURL(t, server.URL), c.Routes[i].Methods[0] == "GET"
		}
	})
	const persons, rounds = 5, 30
	all := w.persons(t, persons)
	var group sync.WaitGroup
	for i := range all {
		for worker := range 8 {
			var protocols []string
			if worker%4 != 0 {
				protocols = []string{"h2"}
			}
			client := w.clientOf(t, all[i].pair, protocols...)
			at := &caller{world: w, person: all[i], forged: all[(i+1)%persons], client: client}
			group.Go(func() { at.work(t, rounds, protocols == nil) })
		}
	}
	group.Wait()
	w.expectLogged(t, api)
	t.Logf("%d requests arrived", len(api.seen))
}

func (w *world) clientOf(t *testing.T, pair keystest.Pair, protocols ...string) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: w.tlsConfig(pair, protocols...), ForceAttemptHTTP2: len(protocols) > 0}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// expectLogged compares what the upstream was told with what the log says of the
// same request.
func (w *world) expectLogged(t *testing.T, api *witness) {
	t.Helper()
	clients := map[string]string{}
	for _, line := range w.log.decisions(t) {
		if line["outcome"] == "allow" {
			clients[line["request_id"].(string)] = fmt.Sprintf("%v|%v|", line["client_id"], line["partner"])
		}
	}
	for id, told := range api.seen {
		if logged := clients[id]; logged == "" || !strings.HasPrefix(told, logged) {
			t.Errorf("request %s: logged as %q, arrived as %.80q", id, logged, told)
		}
	}
	if len(api.seen) != len(clients) {
		t.Errorf("%d arrived, %d are logged", len(api.seen), len(clients))
	}
}

// caller is one connection of a person, who would like to pass for another.
type caller struct {
	*world
	person, forged person
	client         *http.Client
}

func (c *caller) work(t *testing.T, rounds int, sockets bool) {
	var streams sync.WaitGroup
	for round := range rounds {
		streams.Go(func() { c.plain(t, round) })
		switch round % 6 {
		case 0:
			c.stolen(t)
		case 1:
			streams.Go(func() { c.events(t, round) })
		case 2:
			if sockets {
				c.socket(t, round)
			}
		case 3:
			streams.Wait() // so that connections are used again
		}
	}
	streams.Wait()
}

func (c *caller) request(t *testing.T, method, path string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), method, c.server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+c.person.token)
	of := strings.Split(c.forged.told, "|")
	for i, names := range [][]string{{"X-Certbound-Client", "X_Certbound_Client"}, {"x-certbound-partner"}, {"X-Certbound_Scope"}, {"Client-Cert", "CLIENT.CERT"}} {
		for _, name := range names {
			r.Header[name] = []string{of[i]}
		}
	}
	r.Header.Set("X-Request-Id", "forged")
	return r
}

// expect compares what an upstream said with what it is to be told of us.
func (c *caller) expect(t *testing.T, id, said, query, note, body string) {
	if want := strings.Join([]string{id, c.person.told, query, note, body}, "|"); said != want {
		t.Errorf("sent as %.60q, arrived as %.200q", want, said)
	}
}

func (c *caller) plain(t *testing.T, round int) {
	method, path, body := http.MethodGet, "/accounts/a", ""
	if round%2 == 1 {
		method, path, body = http.MethodPost, "/accounts", strings.Repeat(c.person.told[:8], 100*(round%5))
	}
	query, note := fmt.Sprint("n=", round), fmt.Sprint("note ", round)
	r := c.request(t, method, path+"?"+query, []byte(body))
	r.Header.Set("X-Note", note)
	res, err := c.client.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d %.100s, %v", res.StatusCode, said, err)
	}
	c.expect(t, res.Header.Get("X-Request-Id"), string(said), query, note, body)
}

func (c *caller) events(t *testing.T, round int) {
	query := fmt.Sprint("n=", round)
	res, err := c.client.Do(c.request(t, http.MethodGet, "/accounts/events?"+query, nil))
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	events := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); events++ {
		c.expect(t, res.Header.Get("X-Request-Id"), lines.Text(), query, "", "")
	}
	if events != 3 {
		t.Errorf("%d events", events)
	}
}

func (c *caller) socket(t *testing.T, round int) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	query := fmt.Sprint("n=", round)
	r := c.request(t, http.MethodGet, "/accounts/a?"+query, nil)
	conn, res, err := websocket.Dial(ctx, r.URL.String(), &websocket.DialOptions{HTTPClient: c.client, HTTPHeader: r.Header}) //nolint:bodyclose // the library's to close
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for range 3 {
		_, said, err := conn.Read(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		c.expect(t, res.Header.Get("X-Request-Id"), string(said), query, "", "")
	}
}

// stolen is another's token over this very connection.
func (c *caller) stolen(t *testing.T) {
	r := c.request(t, http.MethodGet, "/accounts/a", nil)
	r.Header.Set("Authorization", "Bearer "+c.forged.token)
	res, err := c.client.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	var refusal struct{ Reason string }
	if err := json.NewDecoder(res.Body).Decode(&refusal); err != nil || res.StatusCode != http.StatusUnauthorized || refusal.Reason != "thumbprint_mismatch" {
		t.Errorf("a stolen token: %d %q, %v", res.StatusCode, refusal.Reason, err)
	}
}
