package proxy_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/proxy"
)

// handled starts a proxy in front of a Go handler.
func handled(t *testing.T, h http.HandlerFunc, change ...func(*world, *proxy.Config, *httptest.Server)) *world {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newWorld(t, append([]func(*world, *proxy.Config, *httptest.Server){func(_ *world, c *proxy.Config, _ *httptest.Server) {
		for i := range c.Routes {
			c.Routes[i].Upstream = mustURL(t, s.URL)
		}
	}}, change...)...)
}

// both runs a test over HTTP/1.1 and HTTP/2.
func both(t *testing.T, test func(t *testing.T, protocols ...string)) {
	t.Run("HTTP/1.1", func(t *testing.T) { t.Parallel(); test(t) })
	t.Run("HTTP/2", func(t *testing.T) { t.Parallel(); test(t, "h2") })
}

func enable(protocols []string) func(*world, *proxy.Config, *httptest.Server) {
	return func(_ *world, _ *proxy.Config, s *httptest.Server) { s.EnableHTTP2 = len(protocols) > 0 }
}

// TestStreamingAnswer: each piece arrives before the next is written.
func TestStreamingAnswer(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, protocols ...string) {
		next := make(chan struct{})
		w := handled(t, func(rw http.ResponseWriter, r *http.Request) {
			for i := range 3 {
				fmt.Fprintf(rw, "data: %d\n", i)
				_ = http.NewResponseController(rw).Flush()
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		}, enable(protocols))
		res, err := w.client(t, protocols...).Do(w.request(t.Context(), t, "GET", "/accounts", nil))
		must(t, err)
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		for i := range 3 {
			line, err := lines.ReadString('\n')
			if err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("piece %d: %q %v", i, line, err)
			}
			next <- struct{}{}
		}
		w.log.one(t)
	})
}

// TestCallerLeaves: the upstream's request ends with the caller's, before and
// after the upstream has answered.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, protocols ...string) {
		for _, answered := range []bool{false, true} {
			arrived, left := make(chan struct{}), make(chan struct{})
			w := handled(t, func(rw http.ResponseWriter, r *http.Request) {
				if answered {
					_ = http.NewResponseController(rw).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				close(left)
			}, enable(protocols))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				res, err := w.client(t, protocols...).Do(w.request(ctx, t, "GET", "/accounts", nil))
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				done <- err
			}()
			wait(t, arrived, "the request at the upstream")
			cancel()
			wait(t, left, "its end at the upstream")
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("caller got %v", err)
			}
			w.server.Close()
			w.running.Wait()
			line := w.log.one(t)
			if line["outcome"] != "allow" || line["reason"] != nil {
				t.Errorf("answered %v: logged %v", answered, line)
			}
			if !answered && (line["detail"] != "the caller left before the upstream answered" || line["status"] != nil) {
				t.Errorf("logged %v", line)
			}
		}
	})
}

// TestNobodyToAnswer: returning from the handler would make the server say 200.
func TestNobodyToAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := w.request(ctx, t, "GET", "/accounts", nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{w.acme.Cert}}
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("the handler ended with %v", err)
		}
	}()
	w.server.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

// TestLargeBodies: sixteen MiB each way, unchanged.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	both(t, func(t *testing.T, protocols ...string) {
		w := handled(t, func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			_, _ = rw.Write(body)
			rw.Header().Set(http.TrailerPrefix+"X-Sum", fmt.Sprintf("%d %x %v", len(body), sha256.Sum256(body), err))
		}, enable(protocols), func(w *world, _ *proxy.Config, _ *httptest.Server) {
			w.limits = &http.Server{ReadTimeout: patience, WriteTimeout: patience}
		})
		sent, received := sha256.New(), sha256.New()
		body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sent)
		r := w.request(t.Context(), t, "POST", "/accounts", body)
		res, err := w.client(t, protocols...).Do(r)
		must(t, err)
		defer res.Body.Close()
		n, err := io.Copy(received, res.Body)
		must(t, err)
		want := fmt.Sprintf("%d %x <nil>", n, sent.Sum(nil))
		if got := res.Trailer.Get("X-Sum"); got != want || string(sent.Sum(nil)) != string(received.Sum(nil)) {
			t.Errorf("upstream saw %s, want %s", got, want)
		}
	})
}

// TestUpstreamBreaksOff: half an answer must not look whole.
func TestUpstreamBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setReply("HTTP/1.1 200 OK\nContent-Length: 100\n\nhalf")
	res, err := w.client(t).Do(w.request(t.Context(), t, "GET", "/accounts", nil))
	if err == nil { // it may break off before or after the headers have left
		defer res.Body.Close()
		var body []byte
		if body, err = io.ReadAll(res.Body); err == nil {
			t.Errorf("half an answer was read as %q", body)
		}
	}
	w.log.one(t)
}

// TestTLSUpstream: an https upstream is verified.
func TestTLSUpstream(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	for _, trusted := range []bool{true, false} {
		w := newWorld(t, func(_ *world, c *proxy.Config, _ *httptest.Server) {
			tr := proxy.NewTransport()
			if trusted {
				tr.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			}
			c.Transport = tr
			u, err := url.Parse(s.URL)
			must(t, err)
			c.Routes[0].Upstream = u
		})
		if a := w.call(t, "GET", "/accounts"); (a.StatusCode == 200) != trusted || !trusted && a.StatusCode != 502 {
			t.Errorf("trusted %v: %d %s", trusted, a.StatusCode, a.body)
		}
	}
}
