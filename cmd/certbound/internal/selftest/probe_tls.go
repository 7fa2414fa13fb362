package selftest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func (b *bench) tlsProbes() []probe {
	var all []probe
	for _, server := range []struct{ name, address, request string }{
		{"issuer", address(b.meta.Token), b.plainRequest(http.MethodPost, b.meta.Token)},
		{"proxy", address(b.Proxy), b.plainRequest(http.MethodGet, b.Proxy+b.Path)},
	} {
		offer := func(name, title, danger string, change func(*tls.Config)) probe {
			return probe{"tls." + server.name + "." + name, server.name + ": " + title, danger, func(ctx context.Context, _ *bench) (Outcome, string) {
				return b.offer(ctx, server.address, change)
			}}
		}
		const old = "connections can be broken (RFC 8996, RFC 9325 §4)"
		all = append(all,
			offer("1_0", "TLS 1.0", old, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }),
			offer("1_1", "TLS 1.1", old, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }),
			offer("1_2_weak", "TLS 1.2 without forward secrecy or AEAD", old, func(c *tls.Config) {
				c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, weakSuites()
			}),
			probe{"tls." + server.name + ".resumption", server.name + ": a resumed session", "a client is believed without showing its certificate again, whatever has been revoked or has expired since",
				func(ctx context.Context, _ *bench) (Outcome, string) { return b.resume(ctx, server.address) }},
			probe{"tls." + server.name + ".plaintext", server.name + ": plain HTTP on the same port", "tokens and requests can be read on the way",
				func(ctx context.Context, _ *bench) (Outcome, string) {
					return b.plaintext(ctx, server.address, server.request)
				}},
		)
	}
	return all
}

// weakSuites are the TLS 1.2 suites that crypto/tls still has and nobody should
// take: without forward secrecy, or with CBC.
func weakSuites() (ids []uint16) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !strings.Contains(suite.Name, "ECDHE") || strings.Contains(suite.Name, "CBC") || strings.Contains(suite.Name, "RC4") {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// address is host:port of an https URL.
func address(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (b *bench) dial(ctx context.Context, address string) (net.Conn, error) {
	if err := b.count(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(requestTimeout))
}

// offer reports whether the server takes a handshake it should refuse.
func (b *bench) offer(ctx context.Context, address string, change func(*tls.Config)) (Outcome, string) {
	conn, err := b.dial(ctx, address)
	if err != nil {
		return Unclear, err.Error()
	}
	defer func() { _ = conn.Close() }() // nothing is left to lose
	config := b.tlsConfig(&b.Certificate)
	config.ServerName, _, _ = net.SplitHostPort(address)
	change(config)
	client := tls.Client(conn, config)
	if err := client.HandshakeContext(ctx); err != nil {
		if local(err) {
			return Unclear, err.Error()
		}
		return OK, err.Error()
	}
	state := client.ConnectionState()
	return Hole, tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}

// resume makes two connections that share a session cache. Tickets of TLS 1.3 come
// after the handshake, so something is read in between.
func (b *bench) resume(ctx context.Context, address string) (Outcome, string) {
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		resumed, err := b.visit(ctx, address, cache)
		if err != nil {
			return Unclear, err.Error()
		}
		if resumed {
			return Hole, "the server resumed the session"
		}
	}
	return OK, "a full handshake each time"
}

func (b *bench) visit(ctx context.Context, address string, cache tls.ClientSessionCache) (resumed bool, err error) {
	conn, err := b.dial(ctx, address)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // nothing is left to lose
	config := b.tlsConfig(&b.Certificate)
	config.ServerName, _, _ = net.SplitHostPort(address)
	config.ClientSessionCache = cache
	client := tls.Client(conn, config)
	if err := client.HandshakeContext(ctx); err != nil {
		return false, err
	}
	if _, err := fmt.Fprintf(client, "GET /selftest HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address); err != nil {
		return false, err
	}
	if _, err := bufio.NewReader(client).ReadString('\n'); err != nil {
		return false, err
	}
	return client.ConnectionState().DidResume, nil
}

// plainRequest is a request as it would be written without TLS. The token in it is
// not the good one: it is sent in the clear.
func (b *bench) plainRequest(method, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer selftest\r\nConnection: close\r\n", method, u.EscapedPath(), u.Host)
	return head + "Content-Length: 0\r\n\r\n"
}

// plaintext wants the port to speak TLS only: an HTTP answer other than 400 comes
// from somebody who reads requests in the clear.
func (b *bench) plaintext(ctx context.Context, address, request string) (Outcome, string) {
	conn, err := b.dial(ctx, address)
	if err != nil {
		return Unclear, err.Error()
	}
	defer func() { _ = conn.Close() }() // nothing is left to lose
	if _, err := conn.Write([]byte(request)); err != nil {
		return OK, err.Error()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return Unclear, "no answer"
		}
		return OK, "no HTTP answer"
	}
	defer func() { _ = resp.Body.Close() }() // only its status matters
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return OK, resp.Status
	}
	return Hole, resp.Status
}
