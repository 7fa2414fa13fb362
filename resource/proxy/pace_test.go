package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/proxy"
)

// deadlines is a ResponseWriter that keeps the deadlines it is given.
type deadlines struct {
	*httptest.ResponseRecorder
	mu          sync.Mutex
	read, write time.Time
	onWrite     func()
}

func (d *deadlines) SetReadDeadline(at time.Time) error  { return d.set(&d.read, at) }
func (d *deadlines) SetWriteDeadline(at time.Time) error { return d.set(&d.write, at) }

func (d *deadlines) set(which *time.Time, at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	*which = at
	return nil
}

func (d *deadlines) Write(p []byte) (int, error) {
	d.onWrite()
	return d.ResponseRecorder.Write(p)
}

// state says which deadlines stand: "r" and "w" ahead, "R" in the past.
func (d *deadlines) state() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := ""
	switch {
	case d.read.IsZero():
	case d.read.Before(time.Unix(1000, 0)):
		s += "R"
	default:
		s += "r"
	}
	if !d.write.IsZero() {
		s += "w"
	}
	return s
}

// script is a reader that calls back before each read and reports its closing.
type script struct {
	io.Reader
	before func()
	closed bool
}

func (s *script) Read(p []byte) (int, error) { s.before(); return s.Reader.Read(p) }
func (s *script) Close() error               { s.closed = true; return nil }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func okAnswer(r *http.Request, body io.ReadCloser, length int64) *http.Response {
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: body, ContentLength: length,
	}
}

// TestDeadlines: each read is bounded by itself, nothing is between them, and what
// is left to read when the handler returns is bounded again. The deadlines are an
// hour away and only looked at; that of writing is the server's own for so short
// an exchange.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		proto          int
		reads          int // of the body, by the upstream; three reach its end
		broken, panics bool
		writing, after string // deadlines while the answer is written, and when all is over
		closed         bool   // the inbound body
	}{
		{name: "read to the end", proto: 1, reads: 3, writing: "", after: ""},
		{name: "not read", proto: 1, writing: "r", after: "r"},
		{name: "read in part", proto: 1, reads: 1, writing: "r", after: "r", closed: true},
		{name: "broken", proto: 1, reads: 1, broken: true, writing: "r", after: "R", closed: true},
		{name: "panic", proto: 1, reads: 1, panics: true, writing: "", after: "R", closed: true},
		{name: "HTTP/2, read to the end", proto: 2, reads: 3, writing: "", after: ""},
		{name: "HTTP/2, not read", proto: 2, writing: "", after: ""},
		{name: "HTTP/2, read in part", proto: 2, reads: 1, writing: "", after: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			expect := func(when, want string) {
				t.Helper()
				if got := d.state(); got != want {
					t.Errorf("%s: deadlines %q, want %q", when, got, want)
				}
			}
			w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) {
				c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					for range tt.reads {
						expect("before a read", "")
						if _, err := r.Body.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
							return nil, err
						}
					}
					if tt.panics {
						panic("a fault of ours")
					}
					expect("before the answer", "")
					return okAnswer(r, &script{Reader: strings.NewReader("ok"), before: func() {
						expect("between writes", "")
					}}, -1), nil
				})
			})
			d.onWrite = func() { expect("while writing", tt.writing) }
			if tt.panics {
				d.onWrite = func() { expect("while writing", "R") }
			}
			body := &script{Reader: strings.NewReader("ab"), before: func() { expect("while reading", "r") }}
			if tt.broken {
				body.Reader = io.MultiReader(brokenReader{})
			}
			r := w.request(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadTimeout: time.Hour, WriteTimeout: time.Hour}), t, "POST", "/accounts", nil)
			r.Body, r.ContentLength, r.ProtoMajor = body, -1, tt.proto
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{w.acme.Cert}}
			w.server.Config.Handler.ServeHTTP(d, r)
			expect("at the end", tt.after)
			if body.closed != tt.closed {
				t.Errorf("the body is closed: %v", body.closed)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// stall sends a request with half a body over HTTP/1.1, and reads to the end of
// the connection: the server has to end it, for the caller never does.
func (w *world) stall(t *testing.T, framing string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", w.server.Listener.Addr().String(), w.tlsConfig(w.acme))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	head := "POST /accounts HTTP/1.1\nHost: localhost\nAuthorization: Bearer " + w.token(t) + "\n" + framing
	go func() { // the server may stop reading before all is written
		_, _ = io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n"))
	}()
	var got bytes.Buffer
	if _, err := io.Copy(&got, conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Fatalf("the connection is still open; received %q", got.String())
	}
	w.running.Wait()
	return got.String()
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

var framings = map[string]string{
	"length":  "Content-Length: 10\n\nhalf",
	"chunked": "Transfer-Encoding: chunked\n\n4\nhalf\n",
	"expect":  "Expect: 100-continue\nContent-Length: 10\n\n",
}

// TestStalledUploadIsAnswered: an upstream that answers without having read the
// body; its answer gets through although the caller never sends the rest.
func TestStalledUploadIsAnswered(t *testing.T) {
	t.Parallel()
	for kind, length := range map[string]int64{"small": 2, "flushed": -1} {
		answering := func(w *world, c *proxy.Config, s *httptest.Server) {
			s.EnableHTTP2 = true
			w.limits = &http.Server{ReadTimeout: 50 * time.Millisecond}
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				return okAnswer(r, io.NopCloser(strings.NewReader("ok")), length), nil
			})
		}
		for name, framing := range framings {
			t.Run("HTTP/1.1 "+kind+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, answering)
				if got := w.stall(t, framing); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.Contains(got, "ok") {
					t.Errorf("received %q", got)
				}
				w.log.one(t)
			})
		}
		t.Run("HTTP/2 "+kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, answering)
			pr, pw := io.Pipe()
			defer pw.Close()
			res, err := w.client(t, "h2").Do(w.request(t.Context(), t, "POST", "/accounts", pr))
			must(t, err)
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != "ok" {
				t.Errorf("%d %q %v", res.StatusCode, body, err)
			}
			w.running.Wait()
		})
	}
}

// TestStalledUpload: a caller that stops sending while the upstream reads is told
// so and let go of.
func TestStalledUpload(t *testing.T) {
	t.Parallel()
	limited := func(w *world, _ *proxy.Config, s *httptest.Server) {
		s.EnableHTTP2 = true
		w.limits = &http.Server{ReadTimeout: 50 * time.Millisecond}
	}
	reading := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	for _, name := range []string{"length", "chunked"} {
		t.Run("HTTP/1.1 "+name, func(t *testing.T) {
			t.Parallel()
			w := handled(t, reading, limited)
			got := w.stall(t, framings[name])
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, `"reason":"request_malformed"`) {
				t.Errorf("received %q", got)
			}
			if line := w.log.one(t); line["reason"] != "request_malformed" {
				t.Errorf("logged %v", line)
			}
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		w := handled(t, reading, limited)
		pr, pw := io.Pipe()
		defer pw.Close()
		res, err := w.client(t, "h2").Do(w.request(t.Context(), t, "POST", "/accounts", pr))
		must(t, err)
		defer res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("got %d", res.StatusCode)
		}
		if line := w.log.one(t); line["reason"] != "request_malformed" {
			t.Errorf("logged %v", line)
		}
	})
}

// TestStalledUploadBehindAnAnswer: the answer is under way and the transport in
// the middle of a read when the caller stalls. What it receives depends on who
// was faster; the connection ends in any case.
func TestStalledUploadBehindAnAnswer(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
			w.limits = &http.Server{ReadTimeout: 50 * time.Millisecond}
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				first := make(chan struct{})
				go func() {
					_, _ = r.Body.Read(make([]byte, 1))
					close(first)
					_, _ = io.Copy(io.Discard, r.Body)
				}()
				<-first
				body := io.Reader(strings.NewReader("ok"))
				if fails {
					body = io.MultiReader(body, brokenReader{})
				}
				return okAnswer(r, io.NopCloser(body), -1), nil
			})
		})
		chunk := "1000\n" + strings.Repeat("x", 0x1000) + "\n"
		w.stall(t, "Transfer-Encoding: chunked\n\n"+strings.Repeat(chunk, 1024))
	}
}

// TestStallIsToldFromLeaving: net/http ends the context inside the read that
// fails. Whoever sees the one before the other must not take it for a caller who
// has left, and who is owed no answer.
func TestStallIsToldFromLeaving(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			go func() { _, _ = r.Body.Read(make([]byte, 1)) }()
			<-r.Context().Done()
			close(gone)
			return nil, r.Context().Err()
		})
	})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadTimeout: time.Hour}))
	r := w.request(ctx, t, "POST", "/accounts", nil)
	r.ContentLength, r.TLS = -1, &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{w.acme.Cert}}
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
		cancel()
		<-gone
		for range 1000 {
			runtime.Gosched() // let the handler draw its conclusion
		}
		return 0, os.ErrDeadlineExceeded
	}))
	rec := httptest.NewRecorder()
	w.server.Config.Handler.ServeHTTP(rec, r)
	if line := w.log.one(t); rec.Code != 400 || line["reason"] != "request_malformed" {
		t.Errorf("got %d, logged %v", rec.Code, line)
	}
}

// TestStalledDownload: a caller that reads nothing of its answer is let go of, and
// so is the upstream.
func TestStalledDownload(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, protocols ...string) {
		gone := make(chan error, 1)
		w := handled(t, func(rw http.ResponseWriter, _ *http.Request) {
			_, err := io.Copy(rw, endless{})
			gone <- err
		}, enable(protocols), func(w *world, _ *proxy.Config, _ *httptest.Server) {
			w.limits = &http.Server{WriteTimeout: 50 * time.Millisecond}
		})
		res, err := w.client(t, protocols...).Do(w.request(t.Context(), t, "GET", "/accounts", nil))
		must(t, err)
		defer res.Body.Close()
		select {
		case err := <-gone:
			if err == nil {
				t.Error("the upstream wrote to the end of what has none")
			}
		case <-time.After(patience):
			t.Fatal("the upstream is still writing")
		}
	})
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
