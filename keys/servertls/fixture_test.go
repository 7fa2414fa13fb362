package servertls_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/servertls"
)

// patience is how long a test waits for what has to happen; it never waits so
// long when all is well.
const patience = 20 * time.Second

// running is a listener on a real socket.
type running struct {
	addr  string
	ca    *keystest.CA
	lines chan map[string]any // log lines
}

// answer is what the handler saw of the connection.
type answer struct {
	Presented  int
	TLSVersion string
	Proto      string
	Resumed    bool
}

// start serves with the given minimum version; options spoil the server's
// certificate, tune changes the HTTP server.
func start(t *testing.T, minVersion string, tune func(*http.Server), opts ...keystest.Option) *running {
	t.Helper()
	r := &running{ca: keystest.NewCA(t, "server CA"), lines: make(chan map[string]any, 100)}
	logger := slog.New(slog.NewJSONHandler(lineWriter(r.lines), nil))
	cert, key := r.ca.Server(t, opts...).WriteFiles(t, t.TempDir(), "server")
	l, err := servertls.New(servertls.Config{CertificateFile: cert, KeyFile: key, MinVersion: minVersion, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	srv := servertls.HTTPServer(http.HandlerFunc(describe), l.TLSConfig(), logger)
	if tune != nil {
		tune(srv)
	}
	served := serve(t, r.ca, srv)
	r.addr = served.addr
	return r
}

// serve runs a server on a real socket until the test ends.
func serve(t *testing.T, ca *keystest.CA, srv *http.Server) *running {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving ended with %v", err)
		}
	})
	return &running{addr: ln.Addr().String(), ca: ca}
}

func describe(w http.ResponseWriter, req *http.Request) {
	_ = json.NewEncoder(w).Encode(answer{
		Presented: len(req.TLS.PeerCertificates), TLSVersion: tls.VersionName(req.TLS.Version),
		Proto: req.Proto, Resumed: req.TLS.DidResume,
	})
}

type lineWriter chan map[string]any

func (w lineWriter) Write(line []byte) (int, error) {
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		return 0, err
	}
	w <- m
	return len(line), nil
}

// logged waits for the line with the message.
func (r *running) logged(t *testing.T, message string) map[string]any {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-r.lines:
			if line["msg"] == message {
				return line
			}
		case <-timeout:
			t.Fatalf("no log line %q", message)
		}
	}
}

// client is a TLS configuration that trusts the listener's CA.
func (r *running) client() *tls.Config {
	return &tls.Config{RootCAs: r.ca.Pool(), ServerName: "localhost"}
}

// dial makes a connection and finishes the client's side of the handshake.
func (r *running) dial(t *testing.T, cfg *tls.Config) (*tls.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), conn.SetDeadline(time.Now().Add(patience))
}

// get makes one request over a new connection, by hand, so that nothing retries.
// Under TLS 1.3 a refusal shows only when something is read.
func (r *running) get(t *testing.T, cfg *tls.Config) (*answer, error) {
	t.Helper()
	conn, err := r.dial(t, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var a answer
	err = json.NewDecoder(resp.Body).Decode(&a)
	// Reading to the end lets the client see what comes after the handshake,
	// such as session tickets.
	_, _ = io.Copy(io.Discard, conn)
	return &a, err
}

func (r *running) mustGet(t *testing.T, cfg *tls.Config) *answer {
	t.Helper()
	a, err := r.get(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
