package conformance

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// good is a client that behaves while others do not: one that keeps its connection
// and one that makes a new one each time.
type good struct {
	d           *harness.Dev
	pair        keystest.Pair
	kept, fresh *http.Client
}

func newGood(t *testing.T, d *harness.Dev) *good {
	t.Helper()
	g := &good{d: d, pair: d.Pair(t, "acme-billing")}
	g.kept, g.fresh = d.HTTPClient(t, &g.pair, nil), d.HTTPClient(t, &g.pair, nil)
	g.fresh.Transport.(*http.Transport).DisableKeepAlives = true
	return g
}

// round gets a token and uses it, by either client, and returns how long the
// slowest answer took.
func (g *good) round(t *testing.T) (slowest time.Duration) {
	t.Helper()
	for _, client := range []*http.Client{g.kept, g.fresh} {
		began := time.Now()
		call := g.d.APIRequest(nil, g.token(t, client))
		slowest = max(slowest, time.Since(began))
		call.Client = client
		began = time.Now()
		resp := g.d.Send(t, call)
		slowest = max(slowest, time.Since(began))
		if resp.Status != http.StatusOK {
			t.Fatalf("a good call: %s", resp)
		}
	}
	return slowest
}

// token asks over one of the two, so that no third connection is left open.
func (g *good) token(t *testing.T, client *http.Client) string {
	t.Helper()
	request := g.d.TokenRequest(nil, harness.TokenForm("acme-billing").Encode())
	request.Client = client
	resp := g.d.Send(t, request)
	if resp.Status != http.StatusOK {
		t.Fatalf("a good token request: %s", resp)
	}
	return decodeToken(t, resp).AccessToken
}

// vitals are what a process must not keep of what has gone.
type vitals struct{ goroutines, descriptors, memory float64 }

// vitals asks over the one kept connection.
func (g *good) vitals(t *testing.T) vitals {
	t.Helper()
	m := scrapeBy(t, g.d, g.kept)
	return vitals{m.value("go_goroutines"), m.value("process_open_fds"), m.value("process_resident_memory_bytes")}
}

// settled waits until nothing is under way, and returns what the process has then:
// the least of what was seen while it stayed the least.
func (g *good) settled(t *testing.T) vitals {
	t.Helper()
	least, same := g.vitals(t), 0
	eventually(t, "the process is quiet", func() bool {
		now := g.vitals(t)
		if now.goroutines < least.goroutines || now.descriptors < least.descriptors {
			least, same = now, 0
		}
		same++
		return same >= 20
	})
	return least
}

// pooled is how much more than before a quiet process may have: connections to the
// database and to the API are kept for the next request, a handful of each.
const pooled = 10

// expectNothingLeft waits until the process has the goroutines and descriptors it
// had before.
func (g *good) expectNothingLeft(t *testing.T, before vitals) {
	t.Helper()
	var now vitals
	deadline := time.Now().Add(2 * time.Minute) // a server may wait for its own time limits
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		now = g.vitals(t)
		if now.goroutines <= before.goroutines+pooled && now.descriptors <= before.descriptors+pooled {
			t.Logf("before %+v, after %+v", before, now)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("before %+v, and still %+v", before, now)
		}
	}
}

// stalled is one way of a peer not to get on.
type stalled struct {
	name  string
	begin func(conn *tls.Conn) error // after the handshake; nil: there is none
	raw   string                     // what is sent instead of a handshake
}

func stalling(d *harness.Dev, token string) []stalled {
	write := func(text string) func(*tls.Conn) error {
		return func(conn *tls.Conn) error {
			_, err := io.WriteString(conn, text)
			return err
		}
	}
	return []stalled{
		{name: "says nothing"},
		{name: "begins a handshake", raw: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{name: "ends the handshake and says nothing", begin: func(c *tls.Conn) error { return c.Handshake() }},
		{name: "begins a request", begin: write("POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")},
		{name: "begins a body", begin: write("POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + harness.FormType + "\r\nContent-Length: 400\r\n\r\ngrant_type=client_")},
		{name: "begins a call", begin: write("POST /accounts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\nContent-Length: 400\r\n\r\n{")},
	}
}

// storm opens the connections, each stalled in one of the ways, at the
// authorization server and the proxy, and returns what closes them.
func storm(t *testing.T, g *good, connections int) (end func()) {
	t.Helper()
	token := g.token(t, g.kept)
	config := g.d.HTTPClient(t, &g.pair, nil).Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "localhost"
	ways := stalling(g.d, token)
	hosts := []string{hostOf(t, g.d.Issuer), hostOf(t, g.d.Proxy)}
	open := make([]net.Conn, connections)
	var group sync.WaitGroup
	turn := make(chan struct{}, 32) // as many handshakes at once
	for i := range connections {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			conn, err := stall(hosts[i%2], config, ways[i/2%len(ways)])
			if err != nil {
				t.Errorf("connection %d, %s: %v", i, ways[i/2%len(ways)].name, err)
			}
			open[i] = conn
		})
	}
	group.Wait()
	return func() {
		for _, conn := range open {
			if conn != nil {
				conn.Close()
			}
		}
	}
}

func stall(host string, config *tls.Config, way stalled) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", host, 20*time.Second)
	if err != nil {
		return nil, err
	}
	if way.begin != nil {
		secured := tls.Client(conn, config)
		return conn, way.begin(secured)
	}
	_, err = io.WriteString(conn, way.raw)
	return conn, err
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// TestStalledPeersHinderNobody holds 500 connections that do not get on, in their
// handshakes, headers and bodies, at once. Good clients are served meanwhile, and
// nothing is left of the others when they have gone. `.ci/soak` repeats it, with a
// bound for how long an answer takes and for the memory.
func TestStalledPeersHinderNobody(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	g := newGood(t, d)
	g.round(t)
	before := g.settled(t)
	limit, err := time.ParseDuration(os.Getenv("CERTBOUND_ANSWER_LIMIT"))
	if err != nil {
		limit = time.Hour // no bound: CI may be slow
	}
	var first vitals
	rounds := numberFromEnv(t, "CERTBOUND_STORMS", 1)
	for i := range rounds {
		end := storm(t, g, 500)
		for range 10 {
			if took := g.round(t); took > limit {
				t.Errorf("a good request took %s during the storm", took)
			}
		}
		if during := g.vitals(t); during.descriptors < before.descriptors+200 {
			t.Errorf("there is no storm: %+v, before %+v", during, before)
		}
		end()
		g.expectNothingLeft(t, before)
		if now := g.vitals(t); i == min(4, rounds-1) { // warm by now
			first = now
		} else if i > 4 && now.memory > first.memory*1.25 {
			t.Errorf("storm %d: %.0f bytes in memory, after the fifth there were %.0f", i+1, now.memory, first.memory)
		}
	}
}

// TestStalledPeersAreLetGo: nobody has to close a connection for the server to get
// rid of it.
func TestStalledPeersAreLetGo(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	g := newGood(t, d)
	g.round(t)
	before := g.settled(t)
	end := storm(t, g, 60)
	defer end()
	g.expectNothingLeft(t, before)
	g.round(t)
}

// TestManyHostilePeers sends what is too large or makes no sense: each is answered
// or dropped, good clients are served, and nothing is left.
func TestManyHostilePeers(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	g := newGood(t, d)
	g.round(t)
	before := g.settled(t)
	for _, target := range []string{d.Issuer, d.Proxy, d.Admin} {
		config := d.HTTPClient(t, &g.pair, nil).Transport.(*http.Transport).TLSClientConfig.Clone()
		config.ServerName = "localhost"
		for name, raw := range nonsense() {
			if status := answered(t, hostOf(t, target), config, raw); status >= 200 && status < 300 {
				t.Errorf("%s: %s is answered %d", target, name, status)
			}
		}
		noTLS(t, hostOf(t, target))
	}
	g.round(t)
	g.expectNothingLeft(t, before)
}

// nonsense are requests over TLS that no listener serves.
func nonsense() map[string]string {
	head := "GET /accounts HTTP/1.1\r\nHost: localhost\r\n"
	return map[string]string{
		"a header of a megabyte": head + "X-Long: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "a name of a megabyte": head + strings.Repeat("a", 1<<20) + ": x\r\n\r\n",
		"a hundred thousand headers": head + strings.Repeat("X: y\r\n", 100_000) + "\r\n", "a target of a megabyte": "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a token of a megabyte": head + "Authorization: Bearer " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "a method of a megabyte": strings.Repeat("G", 1<<20) + " / HTTP/1.1\r\n\r\n",
		"a query of many parts": "GET /accounts?" + strings.Repeat("a&", 10_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"NUL octets":            strings.Repeat("\x00", 1<<16), "line breaks": strings.Repeat("\r\n", 1<<16), "nothing": "", "a TLS handshake within TLS": "\x16\x03\x01\x00\x05hello",
		"HTTP/2 without being asked for": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/9.9": "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", "CONNECT": "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"TRACE": "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", "OPTIONS *": "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "no host": "GET /accounts HTTP/1.1\r\n\r\n", "a host of a megabyte": "GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
	}
}

// answered sends octets and returns the status of the answer, 0 for none.
func answered(t *testing.T, host string, config *tls.Config, raw string) int {
	t.Helper()
	conn, err := tls.Dial("tcp", host, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	go func() {
		_, _ = io.WriteString(conn, raw) // it may be cut off
		_ = conn.CloseWrite()
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// noTLS speaks something else to a TLS listener.
func noTLS(t *testing.T, host string) {
	t.Helper()
	for _, raw := range []string{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", strings.Repeat("\xff", 1<<16), "\x16\x03\x01\xff\xff" + strings.Repeat("a", 1<<16), "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ""} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		answer, _ := io.ReadAll(io.LimitReader(conn, 1<<16))
		conn.Close()
		if strings.HasPrefix(string(answer), "HTTP/1.1 2") {
			t.Errorf("without TLS: %s", strconv.Quote(string(answer)))
		}
	}
}

// TestHugeCertificates: long chains, and certificates of thousands of names, are
// refused for what they are and cost nothing that lasts.
func TestHugeCertificates(t *testing.T) {
	d := harness.Shared(t)
	partners := d.Bundle(t, "partners")
	san := d.Client(t, "acme-billing").Match["san_uri"]
	many := func(n int) []string {
		names := []string{san}
		for i := range n {
			names = append(names, fmt.Sprintf("urn:x:%d", i))
		}
		return names
	}
	deep, padded := partners.Deep(t, 59).Client(t, keystest.URI(san)), partners.Client(t, keystest.URI(san))
	for range 59 {
		padded.Chain = append(padded.Chain, padded.Cert)
	}
	for name, c := range map[string]struct {
		pair   keystest.Pair
		served bool // it is a valid certificate of the client, however large
	}{
		"a chain of 60":                        {deep, false},
		"itself 60 times":                      {padded, false},
		"2000 URIs, none registered":           {partners.Client(t, keystest.URI(many(2000)[1:]...)), false},
		"2000 DNS names, nothing registered":   {partners.Client(t, keystest.ManyDNS(2000)), false},
		"2000 URIs and the registered one":     {partners.Client(t, keystest.URI(many(2000)...)), true},
		"2000 DNS names beside the registered": {partners.Client(t, keystest.URI(san), keystest.ManyDNS(2000)), true},
	} {
		t.Run(name, func(t *testing.T) {
			resp := d.PostToken(t, &c.pair, harness.TokenForm("acme-billing"))
			if c.served && resp.Status == http.StatusOK {
				return
			}
			if resp.Status != http.StatusUnauthorized || resp.Refusal(t).Reason == "" {
				t.Errorf("token request: %s", resp)
			}
		})
	}
	for name, pair := range map[string]keystest.Pair{"a chain of 60": deep, "itself 60 times": padded} {
		resp := d.CallAPI(t, &pair, forged(d, goodClaims(d, pair)))
		if resp.Status != http.StatusUnauthorized || reasonOf(resp) != "certificate_malformed" {
			t.Errorf("%s: a call is answered %s", name, resp)
		}
	}
	acme := d.Pair(t, "acme-billing")
	expectServed(t, d, d.CallAPI(t, &acme, d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken))
}
