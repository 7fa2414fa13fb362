package conformance

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// TestConnectionDoesNotOutliveItsCertificate: at the resource server, where the
// token alone would be good for longer.
func TestConnectionDoesNotOutliveItsCertificate(t *testing.T) {
	clause.Covers(t, "CERTBOUND-1")
	d := harness.Shared(t)
	end := time.Now().Add(3 * time.Second).Truncate(time.Second)
	brief := d.Bundle(t, "partners").Client(t, keystest.NotAfter(end))
	token := forged(d, goodClaims(d, brief))
	connection := openConnection(t, d, &brief, true)
	served := 0
	eventually(t, "the certificate's end", func() bool {
		sent := time.Now()
		response := d.Send(t, path(d, connection, nil, token, "/accounts"))
		if response.Status == http.StatusOK {
			served++
			if sent.After(end.Add(time.Second)) { // valid through its last second
				t.Fatalf("served %s after the certificate's end", sent.Sub(end))
			}
			return false
		}
		if time.Now().Before(end) {
			t.Fatalf("refused before its end: %s", response)
		}
		expectRefusal(t, d, response, badToken("certificate_expired"))
		return true
	})
	if served == 0 {
		t.Error("never served")
	}
	connection.expectOne(t)
}

// TestUnfinishedBeginnings: who does not finish a handshake or the head of a
// request is cut off, and others are served meanwhile.
func TestUnfinishedBeginnings(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-4")
	d, acme := victim(t)
	var all sync.WaitGroup
	for _, server := range []string{d.Issuer, d.Proxy} {
		address, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		for name, begin := range map[string]func(net.Conn) (net.Conn, error){
			"nothing": func(conn net.Conn) (net.Conn, error) { return conn, nil },
			"half a record": func(conn net.Conn) (net.Conn, error) {
				_, err := conn.Write([]byte{22, 3, 1, 2, 0, 1})
				return conn, err
			},
			"half a head": func(conn net.Conn) (net.Conn, error) {
				over := tls.Client(conn, &tls.Config{RootCAs: d.Roots(), ServerName: "localhost"})
				_, err := io.WriteString(over, "GET /accounts HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
				return over, err
			},
		} {
			all.Go(func() {
				conn, err := net.DialTimeout("tcp", address.Host, 5*time.Second)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(45 * time.Second))
				over, err := begin(conn)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				var late net.Error
				if _, err := io.Copy(io.Discard, over); errors.As(err, &late) && late.Timeout() {
					t.Errorf("%s, %s: still open after 45 s", server, name)
				}
			})
		}
	}
	expectServed(t, d, d.CallAPI(t, &acme, d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken))
	all.Wait()
}

// TestStopLetsRequestsFinish: a proxy that is told to stop takes no new connection
// and answers what it has begun.
func TestStopLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-17")
	arrived, release := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "served")
	}))
	t.Cleanup(upstream.Close)
	site := harness.NewSite(t, upstream.URL)
	d, _, proxy := site.StartBoth(t)
	one := site.Client(t, "one")
	request := d.APIRequest(&one, d.Token(t, &one, harness.TokenForm("one")).AccessToken)
	type result struct {
		response *harness.Response
		err      error
	}
	answered, stopped := make(chan result, 1), make(chan error, 1)
	go func() {
		response, err := d.Try(t, request)
		answered <- result{response, err}
	}()
	<-arrived
	go func() { stopped <- proxy.Stop() }()
	eventually(t, "no new connection is taken", func() bool {
		_, err := d.Try(t, request)
		return err != nil
	})
	close(release)
	if got := <-answered; got.err != nil || got.response.Status != http.StatusOK {
		t.Errorf("the request under way: %v, %v", got.response, got.err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestInstancesAgreeOnRevocation: what one instance has acknowledged, the other
// knows.
func TestInstancesAgreeOnRevocation(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-14")
	site, a, b := twoInstances(t)
	one := site.Client(t, "one")
	at := func(d, instance *harness.Dev, path string) *inquirer {
		return &inquirer{d: d, id: "one", pair: one, url: strings.TrimSuffix(instance.TokenEndpoint, "/token") + path}
	}
	seen := map[string]bool{}
	for _, order := range [][2]*harness.Dev{{a, b}, {b, a}} {
		token := order[0].Token(t, &one, harness.TokenForm("one")).AccessToken
		if id := tokenID(t, token); seen[id] {
			t.Errorf("jti %s twice", id)
		} else {
			seen[id] = true
		}
		elsewhere := at(order[1], order[1], "/introspect")
		if answer := elsewhere.active(t, elsewhere.request(token)); answer["active"] != true {
			t.Fatalf("before: %v", answer)
		}
		here := at(order[0], order[0], "/revoke")
		if response := order[0].Send(t, here.request(token)); response.Status != http.StatusOK {
			t.Fatalf("revocation: %s", response)
		}
		if answer := elsewhere.active(t, elsewhere.request(token)); answer["active"] != false {
			t.Errorf("at the other instance: %v", answer)
		}
	}
}

// TestIssuerGoesAway: the proxy goes on by the keys it has, and stops when it has
// heard nothing of revocations for as long as it may.
func TestIssuerGoesAway(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-15")
	site := harness.NewSite(t, newUpstream(t).URL)
	site.Follow(t)
	site.ProxyCfg["revocations"].(map[string]any)["max_staleness"] = "4s"
	d, serve, _ := site.StartBoth(t)
	one, two := site.Client(t, "one"), site.Client(t, "two")
	token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
	eventually(t, "the feed is heard", func() bool { return d.CallAPI(t, &one, token).Status == http.StatusOK })
	if err := serve.Stop(); err != nil {
		t.Fatal(err)
	}
	expectServed(t, d, d.CallAPI(t, &one, token))
	expectRefusal(t, d, d.CallAPI(t, &two, token), badToken("thumbprint_mismatch"))
	eventually(t, "the news are too old", func() bool { return d.CallAPI(t, &one, token).Status != http.StatusOK })
	stale := refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "revocations_stale", ""}
	expectRefusal(t, d, d.CallAPI(t, &one, token), stale)
}

// TestExactlyOneHost at both servers.
func TestExactlyOneHost(t *testing.T) {
	clause.Covers(t, "RFC9112-3-2")
	d := harness.Shared(t)
	for _, server := range []string{d.Issuer, d.Proxy} {
		address, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]bool{"": false, "Host: localhost\r\n": true, "Host: localhost\r\nHost: localhost\r\n": false, "Host: a b\r\n": false} {
			conn, err := tls.Dial("tcp", address.Host, &tls.Config{RootCAs: d.Roots(), ServerName: "localhost"})
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
			_, _ = io.WriteString(conn, "GET "+metadataPath+" HTTP/1.1\r\n"+host+"\r\n")
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			conn.Close()
			if got := response.StatusCode != http.StatusBadRequest; got != want {
				t.Errorf("%s, %q: status %d", server, host, response.StatusCode)
			}
		}
	}
}

// TestProtocolIsNegotiated: a caller that speaks another protocol over TLS gets no
// connection.
func TestProtocolIsNegotiated(t *testing.T) {
	clause.Covers(t, "RFC9325-3-7")
	d := harness.Shared(t)
	for _, server := range []string{d.Issuer, d.Proxy} {
		address, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		for protocol, want := range map[string]bool{"h2": true, "http/1.1": true, "smtp": false, "h2c": false} {
			conn, err := tls.Dial("tcp", address.Host, &tls.Config{RootCAs: d.Roots(), ServerName: "localhost", NextProtos: []string{protocol}})
			if err == nil {
				conn.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s, %s: %v", server, protocol, err)
			}
		}
	}
}

// TestIssuerWithAPath: the well-known part stands between host and path, for both
// halves and the client.
func TestIssuerWithAPath(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC8414-3", "RFC8414-3-3")
	site := harness.NewSite(t, newUpstream(t).URL)
	host := site.Issuer
	site.Issuer += "/tenant/a"
	site.Serve["issuer"], site.ProxyCfg["issuer"] = site.Issuer, site.Issuer
	d := site.Start(t)
	if document := getJSON(t, d, host+metadataPath+"/tenant/a"); document["issuer"] != site.Issuer || document["token_endpoint"] != d.TokenEndpoint {
		t.Errorf("metadata %v", document)
	}
	for _, wrong := range []string{host + metadataPath, site.Issuer + metadataPath, host + metadataPath + "/tenant/b", host + metadataPath + "/tenant/a/"} {
		if response := d.Send(t, harness.Request{Method: http.MethodGet, URL: wrong}); response.Status == http.StatusOK {
			t.Errorf("GET %s: %s", wrong, response)
		}
	}
	one := site.Client(t, "one")
	result := tokenCommand(t, site, one)
	if result.Code != 0 {
		t.Fatalf("certbound token: %s", result.Stderr)
	}
	expectServed(t, d, d.CallAPI(t, &one, strings.TrimSpace(result.Stdout)))
}
