package proxy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/certbound/certbound/resource/proxy"
)

// by sends the routes of the world to an upstream of its own.
func by(t *testing.T, address string, transport http.RoundTripper) func(*world, *proxy.Config, *httptest.Server) {
	return func(_ *world, c *proxy.Config, _ *httptest.Server) {
		for i := range c.Routes {
			c.Routes[i].Upstream, c.Routes[i].Transport = mustURL(t, address), transport
		}
	}
}

// describe is an API that says how it was reached.
func describe(rw http.ResponseWriter, r *http.Request) {
	client := ""
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	fmt.Fprintf(rw, "%s %s %s %s", r.Proto, r.Host, r.URL, client)
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(describe), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	w := newWorld(t, by(t, "unix://"+socket, nil))
	if a := w.call(t, "GET", "/accounts/7?x=1"); a.StatusCode != 200 || string(a.body) != "HTTP/1.1 localhost /accounts/7?x=1 " {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestH2C: gRPC's framing without TLS, with trailers in both directions.
func TestH2C(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rw.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(rw, "%s %s %s", r.Proto, body, r.Trailer.Get("X-Sum"))
		rw.Header().Set("Grpc-Status", "0")
		rw.Header().Set(http.TrailerPrefix+"X-Certbound-Client", "evil")
	}))
	upstream.Config.Protocols = new(http.Protocols)
	upstream.Config.Protocols.SetUnencryptedHTTP2(true)
	upstream.Start()
	t.Cleanup(upstream.Close)
	w := newWorld(t, by(t, upstream.URL, proxy.TransportConfig{Protocol: proxy.H2C}.New()), enable([]string{"h2"}))
	both(t, func(t *testing.T, protocols ...string) {
		r := w.request(t.Context(), t, "POST", "/accounts", io.MultiReader(strings.NewReader("hi")))
		r.Trailer = http.Header{"X-Sum": {"7"}, "X-Certbound-Scope": {"evil"}}
		r.Header.Set("Te", "trailers")
		res, err := w.client(t, protocols...).Do(r)
		must(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		must(t, err)
		if string(body) != "HTTP/2.0 hi 7" || res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("X-Certbound-Client") != "" {
			t.Errorf("%q, trailers %v", body, res.Trailer)
		}
	})
}

// TestUpstreamSendsLittleAhead: what an answer may hold while its caller does not
// read it is what the proxy grants the upstream for a stream.
func TestUpstreamSendsLittleAhead(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	granted := make(chan uint32, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close() // which the proxy answers with 502
		_, _ = io.CopyN(io.Discard, conn, int64(len(http2.ClientPreface)))
		window := uint32(1 << 31)
		if frame, err := http2.NewFramer(conn, conn).ReadFrame(); err == nil {
			if settings, ok := frame.(*http2.SettingsFrame); ok {
				window, _ = settings.Value(http2.SettingInitialWindowSize)
			}
		}
		granted <- window
	}()
	w := newWorld(t, by(t, "http://"+listener.Addr().String(), proxy.TransportConfig{Protocol: proxy.H2C}.New()))
	if a := w.call(t, "GET", "/accounts"); a.StatusCode != 502 {
		t.Errorf("%d", a.StatusCode)
	}
	if window := <-granted; window > 256<<10 {
		t.Errorf("a stream may be %d bytes ahead", window)
	}
}

// TestMutualTLSUpstream: the upstream learns who the proxy is, and the proxy that
// it speaks to the right one.
func TestMutualTLSUpstream(t *testing.T) {
	t.Parallel()
	w0 := newWorld(t)
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(describe))
	upstream.EnableHTTP2 = true
	upstream.TLS = &tls.Config{
		Certificates: []tls.Certificate{w0.ca.Server(t).TLS()}, MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: w0.ca.Pool(),
	}
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	good := proxy.TransportConfig{RootCAs: w0.ca.Pool(), Certificates: []tls.Certificate{w0.acme.TLS()}, ServerName: "localhost"}
	for _, tt := range []struct {
		name   string
		change func(*proxy.TransportConfig)
		status int
		body   string
	}{
		{"all well", func(*proxy.TransportConfig) {}, 200, "HTTP/2.0 %s /accounts acme"},
		{"HTTP/1.1 only", func(c *proxy.TransportConfig) { c.Protocol = proxy.HTTP1 }, 200, "HTTP/1.1 %s /accounts acme"},
		{"no certificate", func(c *proxy.TransportConfig) { c.Certificates = nil }, 502, ""},
		{"another server", func(c *proxy.TransportConfig) { c.ServerName = "elsewhere.test" }, 502, ""},
		{"no roots", func(c *proxy.TransportConfig) { c.RootCAs = nil }, 502, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			w := newWorld(t, by(t, upstream.URL, c.New()))
			a := w.call(t, "GET", "/accounts")
			if a.StatusCode != tt.status || tt.status == 200 && string(a.body) != fmt.Sprintf(tt.body, mustURL(t, upstream.URL).Host) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if line := w.log.one(t); tt.status == 502 && line["reason"] != "upstream_unreachable" {
				t.Errorf("logged %v", line)
			}
		})
	}
}

// TestUpstreamTimeouts: each phase has its own limit, and they are all 504.
func TestUpstreamTimeouts(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	must(t, err)
	t.Cleanup(func() { silent.Close() })
	short := 30 * time.Millisecond
	for name, tt := range map[string]struct {
		scheme string
		config proxy.TransportConfig
		change func(*proxy.Route)
	}{
		"TLS handshake":    {"https://", proxy.TransportConfig{TLSHandshake: short}, nil},
		"head of answer":   {"http://", proxy.TransportConfig{}, func(r *proxy.Route) { r.ResponseHeader = short }},
		"the whole":        {"http://", proxy.TransportConfig{}, func(r *proxy.Route) { r.Timeout = short }},
		"nothing moves":    {"http://", proxy.TransportConfig{}, func(r *proxy.Route) { r.StreamIdle = short }},
		"head of answer 2": {"http://", proxy.TransportConfig{Protocol: proxy.H2C}, func(r *proxy.Route) { r.ResponseHeader = short }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, by(t, tt.scheme+silent.Addr().String(), tt.config.New()), func(_ *world, c *proxy.Config, _ *httptest.Server) {
				if tt.change != nil {
					tt.change(&c.Routes[0])
				}
			})
			w.expectRefusal(t, w.call(t, "GET", "/accounts"), 504, "upstream_timeout")
		})
	}
}

// TestUpstreamTakesARequestAndSaysNothing: with a body the wait for an answer begins
// when the body is over, and ends as well.
func TestUpstreamTakesARequestAndSaysNothing(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, protocols ...string) {
		silent, leave := context.WithCancel(t.Context())
		w := handled(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-silent.Done()
		}, enable(protocols), func(_ *world, c *proxy.Config, _ *httptest.Server) {
			for i := range c.Routes {
				c.Routes[i].ResponseHeader = 30 * time.Millisecond
			}
		})
		defer leave()
		res, err := w.client(t, protocols...).Do(w.request(t.Context(), t, "POST", "/accounts", strings.NewReader("a body")))
		must(t, err)
		defer res.Body.Close()
		if line := w.log.one(t); res.StatusCode != 504 || line["reason"] != "upstream_timeout" {
			t.Errorf("%d, logged %v", res.StatusCode, line)
		}
	})
}

// TestBodyLimitOfARoute goes before the proxy's own, in both directions.
func TestBodyLimitOfARoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
		c.MaxBodyBytes = 4
		for path, limit := range map[string]int64{"/small": 2, "/usual": 0, "/large": 8} {
			c.Routes = append(c.Routes, proxy.Route{Path: path, Methods: []string{"POST"}, AnyScope: true, MaxBodyBytes: limit, Upstream: w.url})
		}
	})
	for path, limit := range map[string]int{"/small": 2, "/usual": 4, "/large": 8} {
		for _, n := range []int{limit, limit + 1} {
			body := strings.Repeat("x", n)
			for _, framing := range []string{fmt.Sprintf("Content-Length: %d\n\n%s", n, body), fmt.Sprintf("Transfer-Encoding: chunked\n\n%x\n%s\n0\n\n", n, body)} {
				a := w.send(t, w.acme, "POST "+path+" HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n"+framing)
				if want := map[bool]int{true: 200, false: 413}[n <= limit]; a.StatusCode != want {
					t.Errorf("%d bytes to %s: %d, want %d", n, path, a.StatusCode, want)
				}
			}
		}
	}
}
