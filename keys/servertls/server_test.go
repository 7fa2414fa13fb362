package servertls_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/servertls"
)

func TestLimits(t *testing.T) {
	srv := servertls.HTTPServer(http.NotFoundHandler(), &tls.Config{MinVersion: tls.VersionTLS13}, nil)
	for _, tt := range []struct {
		name      string
		got, want time.Duration
	}{
		{"read header", srv.ReadHeaderTimeout, 10 * time.Second},
		{"read", srv.ReadTimeout, 30 * time.Second},
		{"write", srv.WriteTimeout, 60 * time.Second},
		{"idle", srv.IdleTimeout, 120 * time.Second},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got, tt.want)
		}
	}
	if srv.MaxHeaderBytes != 32<<10 {
		t.Errorf("header bytes: %d", srv.MaxHeaderBytes)
	}
}

// hurry shortens what takes ten seconds in earnest.
func hurry(srv *http.Server) { srv.ReadHeaderTimeout = 100 * time.Millisecond }

func TestSlowHeaderIsClosed(t *testing.T) {
	r := start(t, "", hurry)
	conn, err := r.dial(t, r.client())
	if err != nil {
		t.Fatal(err)
	}
	wantClosed(t, conn, "GET / HTTP/1.1\r\nHost: local")
}

func TestSlowHandshakeIsClosed(t *testing.T) {
	r := start(t, "", hurry)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	wantClosed(t, conn, "\x16\x03\x01")
	if line := r.logged(t, "tls_handshake_failed"); line["detail"] != "client did not finish the handshake in time" {
		t.Errorf("got %v", line)
	}
}

// wantClosed sends the beginning of something and reads until the server ends
// the connection.
func wantClosed(t *testing.T, conn net.Conn, beginning string) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, conn)
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		t.Error("the server did not close the connection")
	}
}

func TestLargeHeaderIsRefused(t *testing.T) {
	r := start(t, "", nil)
	transport := &http.Transport{TLSClientConfig: r.client()}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Large", strings.Repeat("a", 64<<10))
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s", resp.Status)
	}
}

func TestPlainHTTPIsExplained(t *testing.T) {
	r := start(t, "", nil)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s", resp.Status)
	}
	want := "client spoke plain HTTP; this listener speaks HTTPS only"
	if line := r.logged(t, "tls_handshake_failed"); line["detail"] != want {
		t.Errorf("got %v", line)
	}
}

func TestDistrustIsExplained(t *testing.T) {
	r := start(t, "", nil)
	cfg := r.client()
	cfg.RootCAs = nil
	if _, err := r.get(t, cfg); err == nil {
		t.Fatal("a client without the CA trusts the server")
	}
	line := r.logged(t, "tls_handshake_failed")
	if got := line["detail"]; got != "client refused this server's certificate: its name or its CA is not the one expected" {
		t.Errorf("got %v", line)
	}
}

// Lines as net/http writes them, for causes that cannot be provoked at will.
func TestErrorLines(t *testing.T) {
	const from = "http: TLS handshake error from 192.0.2.1:4711: "
	for _, tt := range []struct{ line, message, addr, detail string }{
		{from + "EOF", "tls_handshake_failed", "192.0.2.1:4711", "client closed the connection during the handshake"},
		{"http: TLS handshake error from [2001:db8::1]:4711: EOF", "tls_handshake_failed", "[2001:db8::1]:4711",
			"client closed the connection during the handshake"},
		{from + "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer", "tls_handshake_failed", "192.0.2.1:4711",
			"client reset the connection during the handshake"},
		{from + "tls: client offered only unsupported versions: [a0a 303 zz]", "tls_handshake_failed", "192.0.2.1:4711",
			"client offered only TLS 1.2; this listener requires TLS 1.3"},
		{from + "tls: client offered only unsupported versions: [a0a]", "tls_handshake_failed", "192.0.2.1:4711",
			"client offered only versions that are not known; this listener requires TLS 1.3"},
		{from + "tls: something new", "tls_handshake_failed", "192.0.2.1:4711", "something new"},
		{from + "remote error: tls: unknown certificate authority", "tls_handshake_failed", "192.0.2.1:4711",
			"client does not trust the CA of this server's certificate"},
		{"http: TLS handshake error from nowhere", "http_server", "", "TLS handshake error from nowhere"},
		{"http: superfluous response.WriteHeader call", "http_server", "", "superfluous response.WriteHeader call"},
		{"http: panic serving 192.0.2.1:1: x\ngoroutine 1", "http_server", "", "panic serving 192.0.2.1:1: x\ngoroutine 1"},
		{strings.Repeat("é", 4000), "http_server", "", strings.Repeat("é", 2048) + "…"},
	} {
		lines := make(chan map[string]any, 1)
		logger := slog.New(slog.NewJSONHandler(lineWriter(lines), nil))
		srv := servertls.HTTPServer(nil, &tls.Config{MinVersion: tls.VersionTLS13}, logger)
		srv.ErrorLog.Print(tt.line)
		line := <-lines
		addr, _ := line["remote_addr"].(string)
		if line["msg"] != tt.message || addr != tt.addr || line["detail"] != tt.detail || line["level"] != "WARN" {
			t.Errorf("%.80q\ngot  %v\nwant %s %s %s", tt.line, line, tt.message, tt.addr, tt.detail)
		}
	}
}

// Strangers choose part of these lines: whatever they hold, one line of valid
// JSON comes out.
func FuzzErrorLine(f *testing.F) {
	f.Add("http: TLS handshake error from 192.0.2.1:1: tls: client offered only unsupported versions: [303 302]")
	f.Add("http: TLS handshake error from [::1]:1: tls: client requested unsupported application protocols ([\"\\x00\"])")
	f.Add("http: panic serving\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		srv := servertls.HTTPServer(nil, &tls.Config{MinVersion: tls.VersionTLS12}, slog.New(slog.NewJSONHandler(&out, nil)))
		srv.ErrorLog.Print(text)
		if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
			t.Errorf("%q became %d lines", text, n)
		}
		lines := make(lineWriter, 1)
		if _, err := lines.Write(out.Bytes()); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// TestOptionsAsteriskReachesTheHandler: net/http would answer it with 200 before
// anybody of ours has seen it.
func TestOptionsAsteriskReachesTheHandler(t *testing.T) {
	r := start(t, "", nil)
	conn, err := r.dial(t, r.client())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || a.TLSVersion != "TLS 1.3" {
		t.Errorf("the handler did not answer: %d, %v", resp.StatusCode, err)
	}
}
