package conformance

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// rawUpstream records what arrives, byte for byte, and answers each connection
// with one 200.
type rawUpstream struct {
	net.Listener
	mu       sync.Mutex
	requests []string
}

func newRawUpstream(t *testing.T) *rawUpstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{Listener: listener}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

// serve reads until the other side has nothing more to say for a moment, so that
// a smuggled second request is recorded with the first.
func (u *rawUpstream) serve(conn net.Conn) {
	defer conn.Close()
	var received strings.Builder
	buf := make([]byte, 64<<10)
	for wait := 5 * time.Second; ; wait = 200 * time.Millisecond {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		n, err := conn.Read(buf)
		received.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if received.Len() == 0 {
		return
	}
	u.mu.Lock()
	u.requests = append(u.requests, received.String())
	u.mu.Unlock()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

// take returns what has arrived and holds the mark. A request that the proxy broke
// off may be recorded only after its caller has been answered, so each is known
// by a mark of its own.
func (u *rawUpstream) take(mark string) (marked []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests = slices.DeleteFunc(u.requests, func(request string) bool {
		if strings.Contains(request, mark) {
			marked = append(marked, request)
			return true
		}
		return false
	})
	return marked
}

// exchange sends bytes over TLS and returns the first answer's status, 0 for
// none.
func exchange(t *testing.T, d *harness.Dev, config *tls.Config, raw string) int {
	t.Helper()
	proxy, err := url.Parse(d.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", proxy.Host, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestOneUnambiguousRequestArrives sends what servers read in two ways. Either
// it is refused, or exactly one well-formed request arrives behind the proxy,
// with the identity the proxy vouches for and no other.
func TestOneUnambiguousRequestArrives(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC9700-4-13", "RFC9440-2-4-a", "RFC9112-6-3")
	upstream := newRawUpstream(t)
	site := harness.NewSite(t, "http://"+upstream.Addr().String())
	d := site.Start(t)
	one := site.Client(t, "one")
	token := d.Token(t, &one, harness.TokenForm("one")).AccessToken
	host := strings.TrimPrefix(site.Proxy, "https://")
	config := d.HTTPClient(t, &one, nil).Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "localhost"
	head := fmt.Sprintf("POST /accounts HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", host, token)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Certbound-Client: forged\r\n\r\n"
	cases := 0
	for name, raw := range map[string]string{
		"plain":                         head + "Content-Length: 2\r\n\r\nhi",
		"CL and TE":                     head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE with a space":               head + "Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + smuggled,
		"TE unknown":                    head + "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"TE twice":                      head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
		"TE with a tab":                 head + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two lengths":                   head + "Content-Length: 0\r\nContent-Length: " + fmt.Sprint(len(smuggled)) + "\r\n\r\n" + smuggled,
		"list of lengths":               head + "Content-Length: 0, 5\r\n\r\nhello",
		"length with a sign":            head + "Content-Length: +2\r\n\r\nhi",
		"folded header":                 head + "X-Note: a\r\n X-Certbound-Client: forged\r\nContent-Length: 0\r\n\r\n",
		"bare line feed in a header":    head + "X-Note: a\nX-Certbound-Client: forged\r\nContent-Length: 0\r\n\r\n",
		"carriage return in a header":   head + "X-Note: a\rX-Certbound-Client: forged\r\nContent-Length: 0\r\n\r\n",
		"NUL in a header":               head + "X-Note: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"space in a header name":        head + "X-Certbound-Client : forged\r\nContent-Length: 0\r\n\r\n",
		"two hosts":                     head + "Host: evil.test\r\nContent-Length: 0\r\n\r\n",
		"absolute target":               strings.Replace(head, " /accounts ", " https://evil.test/accounts ", 1) + "Content-Length: 0\r\n\r\n",
		"trailer with an identity":      head + "Transfer-Encoding: chunked\r\nTrailer: X-Certbound-Client, Client-Cert\r\n\r\n2\r\nhi\r\n0\r\nX-Certbound-Client: forged\r\nClient-Cert: forged\r\n\r\n",
		"trailer that is not announced": head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Certbound-Client: forged\r\n\r\n",
		"chunk extension":               head + "Transfer-Encoding: chunked\r\n\r\n2;x=\"forged\"\r\nhi\r\n0\r\n\r\n",
		"broken chunk":                  head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n" + smuggled,
		"connection names our headers":  head + "Connection: X-Certbound-Client, Client-Cert, X-Certbound-Partner\r\nX-Certbound-Client: forged\r\nContent-Length: 0\r\n\r\n",
		"upgrade":                       head + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
		"h2c upgrade":                   head + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0":                      strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1) + "Content-Length: 0\r\n\r\n",
		"HTTP/0.9":                      "GET /accounts\r\n\r\n",
		"a second request, not ours":    head + "Content-Length: 0\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			cases++
			mark := fmt.Sprintf("/accounts?case=%d ", cases)
			status := exchange(t, d, config, strings.Replace(raw, "/accounts ", mark, 1))
			arrived := upstream.take(mark)
			if name == "plain" && (status != http.StatusOK || len(arrived) != 1) {
				t.Fatalf("status %d, arrived %q", status, arrived)
			}
			if len(arrived) > 1 {
				t.Fatalf("%d connections to the API: %q", len(arrived), arrived)
			}
			if len(arrived) == 1 {
				expectOneRequest(t, arrived[0])
			}
		})
	}
	for _, late := range upstream.take("") {
		expectOneRequest(t, late)
	}
}

// expectOneRequest reads the recorded bytes as one request, strictly.
func expectOneRequest(t *testing.T, recorded string) {
	t.Helper()
	reader := bufio.NewReader(strings.NewReader(recorded))
	request, err := http.ReadRequest(reader)
	if err != nil {
		t.Fatalf("what arrived is no request: %v in %q", err, recorded)
	}
	// A body the caller never finished ends with the connection, which no API
	// takes for a request.
	if _, err := io.Copy(io.Discard, request.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("body: %v in %q", err, recorded)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("after the request there is %q", rest)
	}
	if got := request.Header.Values("X-Certbound-Client"); len(got) != 1 || got[0] != "one" {
		t.Errorf("X-Certbound-Client %q in %q", got, recorded)
	}
	// A folded line arrives as part of the line it continues (RFC 9112 §5.2).
	unfolded := strings.ReplaceAll(recorded, "X-Note: a X-Certbound-Client: forged\r\n", "")
	if strings.Contains(unfolded, "forged") || strings.Contains(recorded, "/smuggled") || strings.Contains(recorded, "Authorization") {
		t.Errorf("what must not arrive has: %q", recorded)
	}
	if strings.Count(recorded, "Transfer-Encoding:")+strings.Count(recorded, "Content-Length:") > 1 {
		t.Errorf("two lengths: %q", recorded)
	}
	if upgrade := request.Header.Get("Upgrade"); upgrade != "" {
		t.Errorf("Upgrade %q", upgrade)
	}
}
